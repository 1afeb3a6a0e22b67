package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// SQL roles of the system inside the managed database.
const (
	// OperatorRole is what the operator logs in as.
	OperatorRole = "fediflow_operator"
	// MonitoringRole reads statistics; it has no password and logs in over the socket only.
	MonitoringRole = "fediflow_monitoring"
)

// IndexPlan is one index, complete.
type IndexPlan struct {
	Name, Schema, Table string
	Method              v1alpha1.IndexMethod
	Unique              bool
	Columns             []IndexColumn
}

// IndexColumn is one column of an index.
type IndexColumn struct {
	Name       string
	Descending bool
}

// RolePlan is one role that may log in.
type RolePlan struct {
	Name string
	// Secret and Key are where its password is.
	Secret, Key     string
	Inherit         bool
	MemberOf        []string
	ConnectionLimit int32
}

const (
	defaultSchema         = "public"
	defaultConnections    = 2
	connectionsOfRoles    = 8 // of the operationsConnections; the others are the operator's and the migration's
	mostIdentifierLetters = 63
)

// identifier is what a name inside the database may be: it needs no quoting, and gets it all the same.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

func resolveIndexes(specs []v1alpha1.IndexSpec) []IndexPlan {
	var indexes []IndexPlan
	for i := range specs {
		spec := &specs[i]
		index := IndexPlan{
			Name: spec.Name, Schema: orOther(spec.Schema, defaultSchema), Table: spec.Table,
			Method: orOther(spec.Method, v1alpha1.IndexBTree), Unique: orDefault(spec.Unique, false),
		}
		for _, column := range spec.Columns {
			index.Columns = append(index.Columns, IndexColumn{column.Name, column.Order == v1alpha1.OrderDescending})
		}
		indexes = append(indexes, index)
	}
	return indexes
}

func resolveRoles(specs []v1alpha1.RoleSpec) []RolePlan {
	var roles []RolePlan
	for i := range specs {
		spec := &specs[i]
		role := RolePlan{
			Name: spec.Name, Secret: spec.PasswordSecret.Name, Key: spec.PasswordSecret.Key,
			Inherit: orDefault(spec.Inherit, true), ConnectionLimit: orDefault(spec.ConnectionLimit, defaultConnections),
		}
		for _, group := range spec.MemberOf {
			role.MemberOf = append(role.MemberOf, string(group))
		}
		slices.Sort(role.MemberOf)
		roles = append(roles, role)
	}
	return roles
}

func resolveExtensions(names []v1alpha1.Extension) []string {
	var extensions []string
	for _, name := range names {
		extensions = append(extensions, string(name))
	}
	slices.Sort(extensions)
	return extensions
}

func orOther[T ~string](explicit, value T) T {
	if explicit == "" {
		return value
	}
	return explicit
}

// declarationProblems is what the CRD refuses, too, where it has not been replaced by an older one,
// and what no single field can see.
func (p *Plan) declarationProblems() []Problem {
	var problems []Problem
	for i := range p.Database.Indexes {
		problems = append(problems, p.Database.Indexes[i].problems()...)
	}
	if managed := p.Database.Managed; managed != nil {
		problems = append(problems, extensionProblems(managed.Extensions)...)
		problems = append(problems, roleProblems(managed.Roles)...)
	}
	return problems
}

func (i *IndexPlan) problems() []Problem {
	field := "spec.database.indexes[" + i.Name + "]"
	names := []string{i.Name, i.Schema, i.Table}
	for _, column := range i.Columns {
		names = append(names, column.Name)
	}
	problems := badNames(field, names)
	refuse := func(message string) {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, field + ": " + message})
	}
	ordered := slices.ContainsFunc(i.Columns, func(column IndexColumn) bool { return column.Descending })
	switch {
	case !slices.Contains(indexMethods, i.Method):
		refuse(fmt.Sprintf("method %q is unknown: use btree, gin, gist, brin or hash", i.Method))
	case len(i.Columns) == 0:
		refuse("it has no columns: name at least one")
	case i.Method != v1alpha1.IndexBTree && (i.Unique || ordered):
		refuse("unique and order need method btree: leave them out, or use it")
	case i.Method == v1alpha1.IndexHash && len(i.Columns) > 1:
		refuse("an index of method hash has exactly one column: use btree for more")
	case strings.HasPrefix(i.Schema, "pg_") || i.Schema == "information_schema":
		refuse("schema " + i.Schema + " belongs to PostgreSQL: use one of the application")
	}
	return problems
}

var indexMethods = []v1alpha1.IndexMethod{
	v1alpha1.IndexBTree, v1alpha1.IndexGIN, v1alpha1.IndexGiST, v1alpha1.IndexBRIN, v1alpha1.IndexHash,
}

func badNames(field string, names []string) []Problem {
	var problems []Problem
	for _, name := range names {
		if !identifier.MatchString(name) || len(name) > mostIdentifierLetters {
			problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
				"%s: %q is no name: use at most %d lower-case letters, digits and underscores", field, name, mostIdentifierLetters)})
		}
	}
	return problems
}

// allowedExtensions are those of PostgreSQL's own collection that are trusted, that is, installed by
// whoever owns the database, and pg_stat_statements, which every new database has.
var allowedExtensions = []string{
	"btree_gin", "btree_gist", "citext", "cube", "dict_int", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree",
	"pg_stat_statements", "pg_trgm", "pgcrypto", "seg", "tablefunc", "tsm_system_rows", "unaccent", "uuid-ossp",
}

func extensionProblems(extensions []string) []Problem {
	var problems []Problem
	for _, name := range extensions {
		if !slices.Contains(allowedExtensions, name) {
			problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
				"spec.database.managed.extensions: %q cannot be installed: use one of %s", name, strings.Join(allowedExtensions, ", "))})
		}
	}
	return problems
}

var (
	// GrantableRoles are the predefined roles that a declared role may be a member of.
	GrantableRoles = []string{"pg_monitor", "pg_read_all_data", "pg_read_all_stats", "pg_write_all_data"}
	reservedRoles  = []string{"postgres", "replicator", "rewind", "public", "none"}
)

func roleProblems(roles []RolePlan) []Problem {
	var problems []Problem
	var connections int32
	for i := range roles {
		role := &roles[i]
		field := "spec.database.managed.roles[" + role.Name + "]"
		problems = append(problems, badNames(field, []string{role.Name})...)
		refuse := func(message string) {
			problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, field + ": " + message})
		}
		if slices.Contains(reservedRoles, role.Name) || strings.HasPrefix(role.Name, "pg_") || strings.HasPrefix(role.Name, DatabaseUser) {
			refuse("this name belongs to the system: use one that does not start with pg_ or " + DatabaseUser)
		}
		for _, group := range role.MemberOf {
			if !slices.Contains(GrantableRoles, group) {
				refuse(fmt.Sprintf("it cannot be a member of %q: use some of %s", group, strings.Join(GrantableRoles, ", ")))
			}
		}
		connections += role.ConnectionLimit
	}
	if connections > connectionsOfRoles {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.database.managed.roles: connectionLimit is %d in all, and there are %d connections for them: "+
				"lower some (without one it is %d)", connections, connectionsOfRoles, defaultConnections)})
	}
	return problems
}
