// Package database says what must be done inside a database for it to be as declared. It is pure: what
// was found there comes in as a value, and what to do goes out as typed steps, never as SQL.
package database

import (
	"encoding/json"
	"fmt"
	"reflect"
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
	text, err := json.Marshal(d) //nolint:musttag // nobody reads it back
	if err != nil {
		panic(fmt.Sprintf("marshal constant shape: %v", err))
	}
	return string(text)
}

// Objects are the states of everything that is or was declared.
type Objects struct {
	Indexes, Extensions, Roles []v1alpha1.DatabaseObjectStatus
}

// Project is what is known of a declaration from when another one was looked at: nothing of what
// changed in between.
func (o Objects) Project(was, now Declared) Objects {
	var projected Objects
	for i := range now.Indexes {
		index := &now.Indexes[i]
		same := slices.ContainsFunc(was.Indexes, func(old plan.IndexPlan) bool { return reflect.DeepEqual(old, *index) })
		projected.Indexes = append(projected.Indexes, known(o.Indexes, index.Name, same))
	}
	for _, name := range now.Extensions {
		projected.Extensions = append(projected.Extensions, known(o.Extensions, name, slices.Contains(was.Extensions, name)))
	}
	for i := range now.Roles {
		role := &now.Roles[i]
		same := slices.ContainsFunc(was.Roles, func(old Role) bool { return reflect.DeepEqual(old.RolePlan, role.RolePlan) })
		projected.Roles = append(projected.Roles, known(o.Roles, role.Name, same))
	}
	for _, role := range o.Roles {
		if role.State == v1alpha1.ObjectRetained && !slices.ContainsFunc(now.Roles, func(r Role) bool { return r.Name == role.Name }) {
			projected.Roles = append(projected.Roles, role)
		}
	}
	return projected
}

//nolint:revive // whether the declaration is the same is a fact, not a choice of behaviour
func known(objects []v1alpha1.DatabaseObjectStatus, name string, same bool) v1alpha1.DatabaseObjectStatus {
	for _, object := range objects {
		if same && object.Name == name {
			return object
		}
	}
	return state(name, v1alpha1.ObjectPending, "not looked at yet")
}

// Unreached says of everything that is not known to be settled why nobody could look.
func (o Objects) Unreached(cause error) Objects {
	noted := o.Clone()
	for _, list := range [][]v1alpha1.DatabaseObjectStatus{noted.Indexes, noted.Extensions, noted.Roles} {
		for i := range list {
			if settled(list[i]) {
				continue
			}
			if list[i].State == v1alpha1.ObjectBuilding {
				list[i].State = v1alpha1.ObjectPending
			}
			list[i].Message = cause.Error()
		}
	}
	return noted
}

func settled(object v1alpha1.DatabaseObjectStatus) bool {
	return object.State == v1alpha1.ObjectReady || object.State == v1alpha1.ObjectRetained
}

// Unsettled are those that are not as declared, in words.
func (o Objects) Unsettled() []string {
	var lines []string
	for _, group := range []struct {
		kind    string
		objects []v1alpha1.DatabaseObjectStatus
	}{{"extension", o.Extensions}, {"role", o.Roles}, {"index", o.Indexes}} {
		for _, object := range group.objects {
			if settled(object) {
				continue
			}
			line := fmt.Sprintf("%s %s is %s: %s", group.kind, object.Name, object.State, object.Message)
			lines = append(lines, strings.TrimSuffix(line, ": "))
		}
	}
	return lines
}

// Empty says whether there is nothing to report.
func (o Objects) Empty() bool { return len(o.Indexes)+len(o.Extensions)+len(o.Roles) == 0 }

// With has another state for the object that a step is about.
func (o Objects) With(step Step, value v1alpha1.DatabaseObjectState, message string) Objects {
	changed := o.Clone()
	list := changed.Indexes
	switch step.Action {
	case CreateExtension:
		list = changed.Extensions
	case CreateRole, AlterRole:
		list = changed.Roles
	case CreateIndex, DropIndex:
	}
	for i := range list {
		if list[i].Name == step.Name() {
			list[i].State, list[i].Message = value, message
		}
	}
	return changed
}

// Clone shares no memory with its origin.
func (o Objects) Clone() Objects {
	return Objects{slices.Clone(o.Indexes), slices.Clone(o.Extensions), slices.Clone(o.Roles)}
}

func state(name string, value v1alpha1.DatabaseObjectState, format string, arguments ...any) v1alpha1.DatabaseObjectStatus {
	return v1alpha1.DatabaseObjectStatus{Name: name, State: value, Message: fmt.Sprintf(format, arguments...)}
}

// Refused says whether PostgreSQL refused anything.
func (o Objects) Refused() bool {
	return slices.ContainsFunc(slices.Concat(o.Indexes, o.Extensions, o.Roles), func(object v1alpha1.DatabaseObjectStatus) bool {
		return object.State == v1alpha1.ObjectFailed
	})
}
