package v1alpha1

import "fmt"

const (
	oneIndex = "database: {indexes: [{%s}]}"
	oneRole  = "database: {managed: {roles: [{%s}]}}"
)

// notNames are what no name inside a database may be, and what the API server says of them.
var notNames = map[string]string{
	"''": "at least 1 chars long", long(64): "Too long", "Users": "should match", "1a": "should match", `'a"; DROP TABLE users; --'`: "should match",
	"a-b": "should match", "a b": "should match", "'a''b'": "should match", `"a\nb"`: "should match", "a.b": "should match",
}

// declarationRefusals adds what cannot be declared inside a database.
func declarationRefusals(table map[string]refusal) {
	for field, format := range map[string]string{
		"an index":        fmt.Sprintf(oneIndex, "name: %s, table: t, columns: [{name: c}]"),
		"a table":         fmt.Sprintf(oneIndex, "name: i, table: %s, columns: [{name: c}]"),
		"a schema":        fmt.Sprintf(oneIndex, "name: i, schema: %s, table: t, columns: [{name: c}]"),
		"a column":        fmt.Sprintf(oneIndex, "name: i, table: t, columns: [{name: %s}]"),
		"a database role": fmt.Sprintf(oneRole, "name: %s, passwordSecret: {name: s, key: k}"),
	} {
		for name, says := range notNames {
			table[field+" called "+name] = refusal{fmt.Sprintf(format, name), says}
		}
	}
	for name, test := range map[string]refusal{
		"no name":            {"table: t, columns: [{name: c}]", "name: Required value"},
		"no table":           {"name: i, columns: [{name: c}]", "table: Required value"},
		"no columns":         {"name: i, table: t", "columns: Required value"},
		"an empty list":      {"name: i, table: t, columns: []", "at least 1 items"},
		"17 columns":         {"name: i, table: t, columns: " + list(17, "{name: c%d}"), "must have at most 16"},
		"a nameless column":  {"name: i, table: t, columns: [{order: Ascending}]", "name: Required value"},
		"an unknown order":   {"name: i, table: t, columns: [{name: c, order: Random}]", `supported values: "Ascending"`},
		"an unknown method":  {"name: i, table: t, columns: [{name: c}], method: GIN", `supported values: "btree"`},
		"a unique gin":       {"name: i, table: t, columns: [{name: c}], method: gin, unique: true", "only an index of method btree can be unique"},
		"an ordered gin":     {"name: i, table: t, columns: [{name: c, order: Ascending}], method: gin", "only the columns of an index of method btree have an order"},
		"a hash of two":      {"name: i, table: t, columns: [{name: c}, {name: d}], method: hash", "an index of method hash has exactly one column"},
		"free text":          {"name: i, table: t, columns: [{name: c}], where: 'true'", `unknown field "spec.database.indexes[0].where"`},
		"the same one again": {"name: i, table: t, columns: [{name: c}]}, {name: i, table: t, columns: [{name: c}]", "Duplicate value"},
	} {
		table["an index with "+name] = refusal{fmt.Sprintf(oneIndex, test.spec), test.says}
	}
	table["65 indexes"] = refusal{"database: {indexes: " + list(65, "{name: i%d, table: t, columns: [{name: c}]}") + "}", "must have at most 64"}
	for name, test := range map[string]refusal{
		"no name":               {"passwordSecret: {name: s, key: k}", "name: Required value"},
		"no password":           {"name: r", "passwordSecret: Required value"},
		"no Secret":             {"name: r, passwordSecret: {key: k}", "passwordSecret.name: Required value"},
		"no key":                {"name: r, passwordSecret: {name: s}", "passwordSecret.key: Required value"},
		"an empty Secret":       {"name: r, passwordSecret: {name: '', key: k}", "at least 1 chars long"},
		"an empty key":          {"name: r, passwordSecret: {name: s, key: ''}", "at least 1 chars long"},
		"a Secret with a slash": {"name: r, passwordSecret: {name: theirs/s, key: k}", "should match"},
		"a key with a slash":    {"name: r, passwordSecret: {name: s, key: a/k}", "should match"},
		"a long Secret":         {"name: r, passwordSecret: {name: " + long(254) + ", key: k}", "Too long"},
		"a long key":            {"name: r, passwordSecret: {name: s, key: " + long(254) + "}", "Too long"},
		"superuser":             {"name: r, passwordSecret: {name: s, key: k}, superuser: true", `unknown field`},
		"another group":         {"name: r, passwordSecret: {name: s, key: k}, memberOf: [pg_execute_server_program]", "supported values"},
		"a group twice":         {"name: r, passwordSecret: {name: s, key: k}, memberOf: [pg_monitor, pg_monitor]", "Duplicate value"},
		"five groups":           {"name: r, passwordSecret: {name: s, key: k}, memberOf: " + list(5, "g%d"), "must have at most 4"},
		"the same one again":    {"name: r, passwordSecret: {name: s, key: k}}, {name: r, passwordSecret: {name: s, key: k}", "Duplicate value"},
	} {
		table["a database role with "+name] = refusal{fmt.Sprintf(oneRole, test.spec), test.says}
	}
	for _, name := range []string{"postgres", "replicator", "rewind", "public", "none", "pg_monitor", "pg_new", "fediflow", "fediflow_operator", "fediflow_new"} {
		table["a database role of the system: "+name] = refusal{
			fmt.Sprintf(oneRole, "name: "+name+", passwordSecret: {name: s, key: k}"), "belong to the system: choose another name"}
	}
	table["17 database roles"] = refusal{"database: {managed: {roles: " + list(17, "{name: r%d, passwordSecret: {name: s, key: k}}") + "}}", "must have at most 16"}
	table["an unknown extension"] = refusal{"database: {managed: {extensions: [plpython3u]}}", "supported values"}
	table["an extension twice"] = refusal{"database: {managed: {extensions: [hstore, hstore]}}", "Duplicate value"}
	table["33 extensions"] = refusal{"database: {managed: {extensions: " + list(33, "e%d") + "}}", "must have at most 32"}
	for _, name := range []string{"Work_mem", "work mem", "'work_mem = 1; --'", "a.b.c", "''", `"a\nb"`} {
		table["a parameter called "+name] = refusal{"database: {managed: {parameters: {" + name + ": '1'}}}", "parameters must be named like PostgreSQL settings"}
	}
	for value, says := range map[string]string{
		"''": "at least 1 chars long", long(33): "Too long", "'1 MB'": "should match", `"1'; DROP"`: "should match", `"1\nfsync=off"`: "should match", "'$(id)'": "should match",
	} {
		table["a parameter of "+value] = refusal{"database: {managed: {parameters: {work_mem: " + value + "}}}", says}
	}
	table["65 parameters"] = refusal{"database: {managed: {parameters: " + parameters(65) + "}}", "must have at most 64"}
}

func parameters(n int) string {
	text := ""
	for i := range n {
		text += fmt.Sprintf("p%c%c: '1', ", 'a'+i/26, 'a'+i%26)
	}
	return "{" + text + "}"
}

// declarationAcceptances adds what can be declared inside a database.
func declarationAcceptances(table map[string]string) {
	for _, method := range []IndexMethod{IndexBTree, IndexGIN, IndexGiST, IndexBRIN, IndexHash} {
		table["an index of method "+string(method)] = fmt.Sprintf(oneIndex, "name: i, table: t, columns: [{name: c}], method: "+string(method))
	}
	table["an index with everything"] = fmt.Sprintf(oneIndex,
		"name: idx_1, schema: social, table: _t, columns: [{name: c, order: Ascending}, {name: d, order: Descending}], unique: true, method: btree")
	table["the longest names of an index"] = fmt.Sprintf(oneIndex, "name: "+long(63)+", schema: "+long(63)+", table: "+long(63)+", columns: [{name: "+long(63)+"}]")
	table["64 indexes of 16 columns"] = "database: {indexes: " + list(64, "{name: i%d, table: t, columns: "+list(16, "{name: c%d}")+"}") + "}"
	table["an index of an external database"] = "database: {external: {host: db, credentialsSecret: {name: db}}, indexes: [{name: i, table: t, columns: [{name: c}]}]}"
	table["a database role with everything"] = fmt.Sprintf(oneRole,
		"name: reports, passwordSecret: {name: s, key: a.B_c-1}, inherit: false, connectionLimit: 8, memberOf: [pg_read_all_data, pg_write_all_data, pg_monitor, pg_read_all_stats]")
	table["extensions"] = "database: {managed: {extensions: [pg_trgm, uuid-ossp, unaccent]}}"
	table["parameters"] = "database: {managed: {parameters: {work_mem: 16MB, pg_stat_statements.max: '5000', jit: 'off', log_temp_files: '-1', random_page_cost: '1.5'}}}"
	table["64 parameters"] = "database: {managed: {parameters: " + parameters(64) + "}}"
}
