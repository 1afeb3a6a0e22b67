package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/internal/preview"
)

func profileCommand() *cobra.Command {
	command := &cobra.Command{Use: "profile", Short: "The built-in profiles"}
	command.AddCommand(&cobra.Command{
		Use: "list", Short: "List the named sizes", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return preview.PrintSizes(command.OutOrStdout()) },
	})
	var format string
	var users int64
	show := &cobra.Command{
		Use:   "show [SIZE]",
		Short: "Print a built-in profile as a PerformanceProfile to start from",
		Example: `  kubectl fediflow profile show Medium -o yaml >campus.yaml
  kubectl fediflow profile show --users 12000`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			profile, err := builtIn(arguments, users)
			if err != nil {
				return err
			}
			return preview.Print(command.OutOrStdout(), format, profile)
		},
	}
	show.Flags().StringVarP(&format, "output", "o", "yaml", "yaml or json")
	show.Flags().Int64Var(&users, "users", 0, "a number of monthly active users, 1 to 1000000, instead of a size")
	command.AddCommand(show)
	return command
}

func builtIn(arguments []string, users int64) (*v1alpha1.PerformanceProfile, error) {
	profile := &v1alpha1.PerformanceProfile{TypeMeta: metav1.TypeMeta{
		APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "PerformanceProfile"}}
	switch {
	case users != 0 && len(arguments) == 0:
		if users < 1 || users > 1_000_000 {
			return nil, fmt.Errorf("--users %d: use 1 to 1000000", users)
		}
		profile.Name, profile.Spec = fmt.Sprintf("users-%d", users), plan.ForUsers(users)
		return profile, nil
	case users == 0 && len(arguments) == 1:
		for _, size := range plan.Sizes() {
			if strings.EqualFold(string(size), arguments[0]) {
				profile.Name = strings.ToLower(arguments[0])
				profile.Spec, _ = plan.BuiltIn(size)
				return profile, nil
			}
		}
		return nil, fmt.Errorf("there is no size %s: use one of %v", arguments[0], plan.Sizes())
	}
	return nil, errors.New("name one size, or give --users")
}
