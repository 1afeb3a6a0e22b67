package database

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Relation identifies a table or index.
type Relation struct{ Schema, Name string }

// FoundTable is a relation that has the name of a declared index's table.
type FoundTable struct {
	// Ordinary tables can be indexed without blocking writes; others say what they are.
	Ordinary bool
	Columns  []string
	// Locked is set while somebody builds an index on the table or changes it.
	Locked bool
}

// FoundIndex is a relation that has the name of a declared index.
type FoundIndex struct {
	// Table is empty where the relation is no index.
	Table  string
	Method string
	Unique bool
	Valid  bool
	// Plain is set where columns, their order and the method say everything about the index.
	Plain   bool
	Columns []plan.IndexColumn
}

// FoundRole is a role that is declared, or that the operator made.
type FoundRole struct {
	// Ours is set on roles that the operator made.
	Ours            bool
	Login, Inherit  bool
	ConnectionLimit int32
	MemberOf        []string
}

// Found is what a database has.
type Found struct {
	Tables  map[Relation]FoundTable
	Indexes map[Relation]FoundIndex
	// Extensions say whether each available one is installed.
	Extensions map[string]bool
	Roles      map[string]FoundRole
	// Passwords are the versions of the Secrets from which the passwords of roles were last set.
	Passwords map[string]string
}

// Action is what a step does.
type Action int

// The actions.
const (
	CreateExtension Action = iota
	CreateRole
	AlterRole
	CreateIndex
	DropIndex
)

// Step is one thing to do. The field that belongs to its action is set.
type Step struct {
	Action    Action
	Extension string
	Role      Role
	// SetPassword is set where the role gets the password of its Secret.
	SetPassword bool
	// Grant and Revoke are memberships.
	Grant, Revoke []string
	Index         plan.IndexPlan
}

// Name of what the step is about.
func (s Step) Name() string {
	switch s.Action {
	case CreateExtension:
		return s.Extension
	case CreateRole, AlterRole:
		return s.Role.Name
	case CreateIndex, DropIndex:
	}
	return s.Index.Name
}

// Diff says how everything declared is, and what to do about it, in this order.
func Diff(declared Declared, found Found) (Objects, []Step) {
	var objects Objects
	var steps []Step
	for _, name := range declared.Extensions {
		status, step := diffExtension(name, found)
		objects.Extensions, steps = append(objects.Extensions, status), append(steps, step...)
	}
	for i := range declared.Roles {
		status, step := diffRole(declared.Roles[i], found)
		objects.Roles, steps = append(objects.Roles, status), append(steps, step...)
	}
	objects.Roles = append(objects.Roles, retained(declared, found)...)
	for i := range declared.Indexes {
		status, step := diffIndex(declared.Indexes[i], declared.HoldIndexes, found)
		objects.Indexes, steps = append(objects.Indexes, status), append(steps, step...)
	}
	return objects, steps
}

func diffExtension(name string, found Found) (v1alpha1.DatabaseObjectStatus, []Step) {
	installed, available := found.Extensions[name]
	switch {
	case installed:
		return state(name, v1alpha1.ObjectReady, ""), nil
	case !available:
		return state(name, v1alpha1.ObjectFailed, "the server does not have it: use the operator's PostgreSQL image"), nil
	}
	return state(name, v1alpha1.ObjectPending, "being installed"), []Step{{Action: CreateExtension, Extension: name}}
}

func diffRole(role Role, found Found) (v1alpha1.DatabaseObjectStatus, []Step) {
	existing, exists := found.Roles[role.Name]
	switch {
	case exists && !existing.Ours:
		return state(role.Name, v1alpha1.ObjectConflict, "a role of this name exists and is not the operator's: choose another name"), nil
	case !exists && role.Unreadable != "":
		return state(role.Name, v1alpha1.ObjectPending, "%s", role.Unreadable), nil
	case !exists:
		return state(role.Name, v1alpha1.ObjectPending, "being created"),
			[]Step{{Action: CreateRole, Role: role, SetPassword: true, Grant: role.MemberOf}}
	}
	step := Step{
		Action: AlterRole, Role: role,
		SetPassword: role.Unreadable == "" && found.Passwords[role.Name] != role.Version,
		Grant:       without(role.MemberOf, existing.MemberOf),
		Revoke:      without(grantable(existing.MemberOf), role.MemberOf),
	}
	same := existing.Login && existing.Inherit == role.Inherit && existing.ConnectionLimit == role.ConnectionLimit
	var steps []Step
	if !same || step.SetPassword || len(step.Grant)+len(step.Revoke) > 0 {
		steps = []Step{step}
	}
	switch {
	case role.Unreadable != "":
		return state(role.Name, v1alpha1.ObjectPending, "%s; its password stays as it is", role.Unreadable), steps
	case len(steps) > 0:
		return state(role.Name, v1alpha1.ObjectPending, "being changed"), steps
	}
	return state(role.Name, v1alpha1.ObjectReady, ""), nil
}

// grantable leaves alone what somebody else granted beside what can be declared.
func grantable(roles []string) []string {
	return slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !slices.Contains(plan.GrantableRoles, role) })
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}

// retained are roles that the operator made and that are no longer declared.
func retained(declared Declared, found Found) []v1alpha1.DatabaseObjectStatus {
	var names []string
	for name, role := range found.Roles {
		isDeclared := slices.ContainsFunc(declared.Roles, func(d Role) bool { return d.Name == name })
		if role.Ours && !isDeclared {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var states []v1alpha1.DatabaseObjectStatus
	for _, name := range names {
		message := "no longer declared, and nothing is dropped: it can still log in until you drop it"
		if !found.Roles[name].Login {
			message = "no longer declared, and nothing is dropped"
		}
		states = append(states, state(name, v1alpha1.ObjectRetained, "%s", message))
	}
	return states
}

func diffIndex(index plan.IndexPlan, hold string, found Found) (v1alpha1.DatabaseObjectStatus, []Step) {
	pending := func(format string, arguments ...any) (v1alpha1.DatabaseObjectStatus, []Step) {
		return state(index.Name, v1alpha1.ObjectPending, format, arguments...), nil
	}
	table, tableExists := found.Tables[Relation{index.Schema, index.Table}]
	existing, exists := found.Indexes[Relation{index.Schema, index.Name}]
	switch {
	case exists:
		return diffExisting(index, existing, table, hold)
	case !tableExists:
		return pending("table %s.%s does not exist yet", index.Schema, index.Table)
	case !table.Ordinary:
		return state(index.Name, v1alpha1.ObjectFailed,
			"%s.%s is no ordinary table: an index on it cannot be built without blocking writes", index.Schema, index.Table), nil
	}
	for _, column := range index.Columns {
		if !slices.Contains(table.Columns, column.Name) {
			return pending("table %s.%s has no column %s yet", index.Schema, index.Table, column.Name)
		}
	}
	if hold != "" {
		return pending("%s", hold)
	}
	return state(index.Name, v1alpha1.ObjectPending, "waiting to be built"), []Step{{Action: CreateIndex, Index: index}}
}

func diffExisting(index plan.IndexPlan, existing FoundIndex, table FoundTable, hold string) (v1alpha1.DatabaseObjectStatus, []Step) {
	if existing.Table == "" {
		return state(index.Name, v1alpha1.ObjectConflict, "something that is no index has this name: choose another one"), nil
	}
	if different := differences(index, existing); different != "" {
		return state(index.Name, v1alpha1.ObjectConflict,
			"an index of this name exists, but %s: change the declaration, choose another name, or drop the index", different), nil
	}
	switch {
	case existing.Valid:
		return state(index.Name, v1alpha1.ObjectReady, ""), nil
	case table.Locked:
		return state(index.Name, v1alpha1.ObjectBuilding, "somebody is building it"), nil
	case hold != "":
		return state(index.Name, v1alpha1.ObjectInvalid, "left half built; %s", hold), nil
	}
	return state(index.Name, v1alpha1.ObjectInvalid, "left half built: being built anew"),
		[]Step{{Action: DropIndex, Index: index}, {Action: CreateIndex, Index: index}}
}

// differences between a declared and an existing index, in words.
func differences(index plan.IndexPlan, existing FoundIndex) string {
	var found []string
	note := func(differs bool, format string, arguments ...any) {
		if differs {
			found = append(found, fmt.Sprintf(format, arguments...))
		}
	}
	note(existing.Table != index.Table, "its table is %s", existing.Table)
	note(existing.Method != string(index.Method), "its method is %s", existing.Method)
	note(existing.Unique && !index.Unique, "it is unique")
	note(!existing.Unique && index.Unique, "it is not unique")
	note(!slices.Equal(existing.Columns, index.Columns), "its columns are (%s)", columns(existing.Columns))
	note(!existing.Plain, "it has a condition, an expression or options of its own")
	return strings.Join(found, " and ")
}

func columns(all []plan.IndexColumn) string {
	var words []string
	for _, column := range all {
		word := column.Name
		if column.Descending {
			word += " descending"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
