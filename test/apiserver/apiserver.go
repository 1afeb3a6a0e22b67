// Package apiserver runs a real kube-apiserver and etcd with the project's CRDs for the tests of one
// package. No controllers run in it: a test plays those it needs.
package apiserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// errNoBinaries is for whoever runs `go test` by itself.
var errNoBinaries = errors.New("these tests need kube-apiserver, etcd and kubectl: run `make test`, which builds them " +
	"and sets TEST_ASSET_KUBE_APISERVER, TEST_ASSET_ETCD and TEST_ASSET_KUBECTL")

// Start starts the API server. Whoever starts it stops it, even after an error.
func Start() (*envtest.Environment, error) {
	for _, name := range []string{"TEST_ASSET_KUBE_APISERVER", "TEST_ASSET_ETCD", "TEST_ASSET_KUBECTL"} {
		if os.Getenv(name) == "" {
			return &envtest.Environment{}, errNoBinaries
		}
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths:        []string{Path("config/crd/bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	environment.ControlPlane.GetAPIServer().Configure().
		// Some distributions demand the right to set a blocking owner: so do the tests.
		Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement").
		// Room for the Services of all tests of a package.
		Set("service-cluster-ip-range", "10.0.0.0/16")
	if _, err := environment.Start(); err != nil {
		return environment, fmt.Errorf("start API server: %w", err)
	}
	return environment, nil
}

// Path is the path of a file of this repository.
func Path(name string) string {
	_, file, _, _ := runtime.Caller(0) //nolint:dogsled // the file is all that is asked for
	return filepath.Join(filepath.Dir(file), "..", "..", filepath.FromSlash(name))
}
