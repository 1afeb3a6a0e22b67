// Package database says what must be done inside a database for it to be as declared. It is pure: what
// was found there comes in as a value, and what to do goes out as typed steps, never as SQL.
package database

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Declared is what should be inside a database.
type Declared struct {
	Extensions []string
	Roles      []Role
	Indexes    []plan.IndexPlan
	// HoldIndexes says why no index may be built now; it is empty where they may.
	HoldIndexes string
}

// Role is a declared role. Its password is not here.
type Role struct {
	plan.RolePlan

	// Version of the Secret that the password is in, as far as it could be read.
	Version string
	// Unreadable says why the password could not be read; the one in the database stays as it is.
	Unreadable string
}

// Of is what a plan declares, without passwords.
func Of(p plan.Plan) Declared {
	declared := Declared{Indexes: p.Database.Indexes}
	if managed := p.Database.Managed; managed != nil {
		declared.Extensions = managed.Extensions
		for i := range managed.Roles {
			declared.Roles = append(declared.Roles, Role{RolePlan: managed.Roles[i]})
		}
	}
	return declared
}

// Empty says whether nothing is declared.
func (d Declared) Empty() bool { return len(d.Extensions)+len(d.Roles)+len(d.Indexes) == 0 }

// Fingerprint changes with the declaration.
func (d Declared) Fingerprint() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("marshal constant shape: %v", err))
	}
	return string(text)
}

// Objects are the states of everything that is or was declared.
type Objects struct {
	Indexes, Extensions, Roles []v1alpha1.DatabaseObjectStatus
}

// Unchecked are the states of what nobody has looked at yet.
func Unchecked(declared Declared, message string) Objects {
	pending := func(name string) v1alpha1.DatabaseObjectStatus {
		return state(name, v1alpha1.ObjectPending, "%s", message)
	}
	var objects Objects
	for i := range declared.Indexes {
		objects.Indexes = append(objects.Indexes, pending(declared.Indexes[i].Name))
	}
	for _, name := range declared.Extensions {
		objects.Extensions = append(objects.Extensions, pending(name))
	}
	for i := range declared.Roles {
		objects.Roles = append(objects.Roles, pending(declared.Roles[i].Name))
	}
	return objects
}

// Unsettled are those that are not as declared, in words.
func (o Objects) Unsettled() []string {
	var lines []string
	for _, group := range []struct {
		kind    string
		objects []v1alpha1.DatabaseObjectStatus
	}{{"extension", o.Extensions}, {"role", o.Roles}, {"index", o.Indexes}} {
		for _, object := range group.objects {
			if object.State == v1alpha1.ObjectReady || object.State == v1alpha1.ObjectRetained {
				continue
			}
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s %s is %s: %s", group.kind, object.Name, object.State, object.Message), ": "))
		}
	}
	return lines
}

// Empty says whether there is nothing to report.
func (o Objects) Empty() bool { return len(o.Indexes)+len(o.Extensions)+len(o.Roles) == 0 }

// Set replaces the state of the object that a step is about.
func (o Objects) Set(step Step, value v1alpha1.DatabaseObjectState, message string) Objects {
	list := o.Indexes
	switch step.Action {
	case CreateExtension:
		list = o.Extensions
	case CreateRole, AlterRole:
		list = o.Roles
	case CreateIndex, DropIndex:
	}
	for i := range list {
		if list[i].Name == step.Name() {
			list[i].State, list[i].Message = value, message
		}
	}
	return o
}

// Clone shares no memory with its origin.
func (o Objects) Clone() Objects {
	return Objects{slices.Clone(o.Indexes), slices.Clone(o.Extensions), slices.Clone(o.Roles)}
}

func state(name string, value v1alpha1.DatabaseObjectState, format string, arguments ...any) v1alpha1.DatabaseObjectStatus {
	return v1alpha1.DatabaseObjectStatus{Name: name, State: value, Message: fmt.Sprintf(format, arguments...)}
}
