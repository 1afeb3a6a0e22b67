package postgres

import (
	"context"
	"errors"

	"github.com/fediflow/fediflow-operator/internal/database"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// roleComment marks the roles that the operator made.
const roleComment = "managed by fediflow-operator"

// ErrStandby is returned by a member that is not the primary, or not yet.
var ErrStandby = errors.New("this member takes no writes at the moment")

// Inspect finds what a database has of what is declared.
func (s *Session) Inspect(ctx context.Context, declared database.Declared) (database.Found, error) {
	found := database.Found{
		Tables: map[database.Relation]database.FoundTable{}, Indexes: map[database.Relation]database.FoundIndex{},
		Extensions: map[string]bool{}, Roles: map[string]database.FoundRole{},
	}
	recovering, err := collect[struct{ Yes bool }](ctx, s, "SELECT pg_is_in_recovery()")
	if err != nil {
		return found, err
	}
	if recovering[0].Yes {
		return found, ErrStandby
	}
	if err := s.inspectExtensions(ctx, declared, found); err != nil {
		return found, err
	}
	if err := s.inspectRoles(ctx, declared, found); err != nil {
		return found, err
	}
	if err := s.inspectTables(ctx, declared, found); err != nil {
		return found, err
	}
	return found, s.inspectIndexes(ctx, declared, found)
}

func (s *Session) inspectExtensions(ctx context.Context, declared database.Declared, found database.Found) error {
	rows, err := collect[struct {
		Name      string
		Installed bool
	}](ctx, s, "SELECT name::text, installed_version IS NOT NULL FROM pg_available_extensions WHERE name = ANY($1)", declared.Extensions)
	for _, row := range rows {
		found.Extensions[row.Name] = row.Installed
	}
	return err
}

func (s *Session) inspectRoles(ctx context.Context, declared database.Declared, found database.Found) error {
	var names []string
	for i := range declared.Roles {
		names = append(names, declared.Roles[i].Name)
	}
	rows, err := collect[struct {
		Name            string
		Ours            bool
		Login, Inherit  bool
		ConnectionLimit int32
		MemberOf        []string
	}](ctx, s, `SELECT rolname::text, ours, rolcanlogin, rolinherit, rolconnlimit,
			ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
				WHERE m.member = r.oid ORDER BY 1)
		FROM (SELECT oid, rolname, rolcanlogin, rolinherit, rolconnlimit,
			coalesce(shobj_description(oid, 'pg_authid') = $2, false) AS ours FROM pg_roles) r
		WHERE rolname = ANY($1) OR ours`, names, roleComment)
	for _, row := range rows {
		found.Roles[row.Name] = database.FoundRole{
			Ours: row.Ours, Login: row.Login, Inherit: row.Inherit, ConnectionLimit: row.ConnectionLimit, MemberOf: row.MemberOf,
		}
	}
	return err
}

// relations are the schemas and names of what is declared, side by side.
func relations(declared database.Declared, name func(plan.IndexPlan) string) (schemas, names []string) {
	for i := range declared.Indexes {
		schemas = append(schemas, declared.Indexes[i].Schema)
		names = append(names, name(declared.Indexes[i]))
	}
	return schemas, names
}

// inspectTables looks at locks and not at pg_stat_activity, which hides what other roles do. An index
// that is built without blocking writes locks its table like this from its first to its last moment.
func (s *Session) inspectTables(ctx context.Context, declared database.Declared, found database.Found) error {
	schemas, names := relations(declared, func(i plan.IndexPlan) string { return i.Table })
	rows, err := collect[struct {
		Schema, Name     string
		Ordinary, Locked bool
		Columns          []string
	}](ctx, s, `SELECT DISTINCT n.nspname::text, c.relname::text, c.relkind IN ('r', 'm'),
			EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.pid <> pg_backend_pid()
				AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')),
			ARRAY(SELECT a.attname::text FROM pg_attribute a
				WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
		FROM unnest($1::text[], $2::text[]) AS d(nspname, relname)
		JOIN pg_namespace n ON n.nspname = d.nspname
		JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.relname
		WHERE c.relkind IN ('r', 'm', 'p', 'v', 'f')`, schemas, names)
	for _, row := range rows {
		found.Tables[database.Relation{Schema: row.Schema, Name: row.Name}] = database.FoundTable{
			Ordinary: row.Ordinary, Locked: row.Locked, Columns: row.Columns,
		}
	}
	return err
}

// inspectIndexes: an index is plain if its columns, their order and its method say everything: option
// bit 1 is descending, bit 2 is nulls first, and without being told an index has both or none of them.
func (s *Session) inspectIndexes(ctx context.Context, declared database.Declared, found database.Found) error {
	schemas, names := relations(declared, func(i plan.IndexPlan) string { return i.Name })
	rows, err := collect[struct {
		Schema, Name, Table, Method string
		Unique, Valid, Plain        bool
		Columns                     []string
		Descending                  []bool
	}](ctx, s, `SELECT n.nspname::text, c.relname::text, coalesce(t.relname::text, ''), coalesce(am.amname::text, ''),
			coalesce(i.indisunique, false), coalesce(i.indisvalid AND i.indisready, false),
			coalesce(i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts
				AND NOT i.indisexclusion AND NOT i.indnullsnotdistinct
				AND NOT EXISTS (SELECT FROM unnest(i.indclass) k JOIN pg_opclass o ON o.oid = k WHERE NOT o.opcdefault)
				AND NOT EXISTS (SELECT FROM unnest(i.indoption) o WHERE o NOT IN (0, 3))
				AND NOT EXISTS (SELECT FROM unnest(i.indkey, i.indcollation) AS k(attnum, collated)
					JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
					WHERE k.collated <> 0 AND k.collated <> a.attcollation), false),
			ARRAY(SELECT coalesce(a.attname::text, '(expression)')
				FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
				LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum <> 0
				WHERE position <= i.indnkeyatts ORDER BY position),
			ARRAY(SELECT (o & 1) = 1 FROM unnest(i.indoption) WITH ORDINALITY AS k(o, position) ORDER BY position)
		FROM unnest($1::text[], $2::text[]) AS d(nspname, relname)
		JOIN pg_namespace n ON n.nspname = d.nspname
		JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.relname
		LEFT JOIN pg_index i ON i.indexrelid = c.oid
		LEFT JOIN pg_class t ON t.oid = i.indrelid
		LEFT JOIN pg_am am ON am.oid = c.relam AND i.indexrelid IS NOT NULL`, schemas, names)
	for _, row := range rows {
		index := database.FoundIndex{Table: row.Table, Method: row.Method, Unique: row.Unique, Valid: row.Valid, Plain: row.Plain}
		for position, name := range row.Columns {
			index.Columns = append(index.Columns, plan.IndexColumn{Name: name, Descending: row.Descending[position]})
		}
		found.Indexes[database.Relation{Schema: row.Schema, Name: row.Name}] = index
	}
	return err
}
