package v1alpha1

// IndexSpec is one index of the application's tables. It is built without blocking writes, when its
// table exists. Removing it from the spec drops nothing.
//
// +kubebuilder:validation:XValidation:rule="!has(self.unique) || !self.unique || !has(self.method) || self.method == 'btree'",message="only an index of method btree can be unique"
// +kubebuilder:validation:XValidation:rule="!has(self.method) || self.method == 'btree' || self.columns.all(c, !has(c.order))",message="only the columns of an index of method btree have an order"
// +kubebuilder:validation:XValidation:rule="!has(self.method) || self.method != 'hash' || self.columns.size() == 1",message="an index of method hash has exactly one column"
type IndexSpec struct {
	// name of the index, for example idx_activities_tenant_published.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	Name string `json:"name"`
	// table that is indexed. Until it exists, the index is Pending.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	Table string `json:"table"`
	// schema of the table. Default: public.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	Schema string `json:"schema,omitempty"`
	// columns in the order in which they are indexed.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Columns []IndexColumnSpec `json:"columns"`
	// unique refuses rows with equal columns. Default: false.
	// +optional
	Unique *bool `json:"unique,omitempty"`
	// method is btree, gin (jsonb, arrays), gist, brin or hash. Default: btree.
	// +optional
	Method IndexMethod `json:"method,omitempty"`
}

// IndexColumnSpec is one column of an index.
type IndexColumnSpec struct {
	// name of the column.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	Name string `json:"name"`
	// order is Ascending or Descending. Default: Ascending.
	// +optional
	Order IndexOrder `json:"order,omitempty"`
}

// IndexMethod is one of PostgreSQL's access methods.
// +kubebuilder:validation:Enum=btree;gin;gist;brin;hash
type IndexMethod string

// The access methods.
const (
	IndexBTree IndexMethod = "btree"
	IndexGIN   IndexMethod = "gin"
	IndexGiST  IndexMethod = "gist"
	IndexBRIN  IndexMethod = "brin"
	IndexHash  IndexMethod = "hash"
)

// IndexOrder is the order of a column in an index.
// +kubebuilder:validation:Enum=Ascending;Descending
type IndexOrder string

// The orders of a column.
const (
	OrderAscending  IndexOrder = "Ascending"
	OrderDescending IndexOrder = "Descending"
)

// Extension is a PostgreSQL extension that the image has and that gives its users no way to files,
// the network or other databases.
// +kubebuilder:validation:Enum=btree_gin;btree_gist;citext;cube;dict_int;fuzzystrmatch;hstore;intarray;isn;ltree;pg_stat_statements;pg_trgm;pgcrypto;seg;tablefunc;tsm_system_rows;unaccent;uuid-ossp
type Extension string

// RoleSpec is one role that may log in, for example for reports. Removing it from the spec drops
// nothing.
type RoleSpec struct {
	// name of the role.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('pg_') && !self.startsWith('fediflow') && !(self in ['postgres', 'replicator', 'rewind', 'public', 'none'])",message="roles called postgres, replicator, rewind, public, none, pg_* and fediflow* belong to the system: choose another name"
	Name string `json:"name"`
	// passwordSecret is where the password is. It is read when the declaration changes: to change a
	// password, name another Secret or key.
	// +required
	PasswordSecret SecretKey `json:"passwordSecret"`
	// inherit says whether the role has the rights of the roles it is a member of without SET ROLE.
	// Default: true.
	// +optional
	Inherit *bool `json:"inherit,omitempty"`
	// memberOf are PostgreSQL's predefined roles whose rights it gets.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	MemberOf []PredefinedRole `json:"memberOf,omitempty"`
	// connectionLimit is the number of connections it may have at a time. All roles together may have
	// 8: so many the connection budget sets aside for them. Default: 2.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8
	ConnectionLimit *int32 `json:"connectionLimit,omitempty"`
}

// SecretKey names one key of a Secret in the namespace of the cluster.
type SecretKey struct {
	SecretName `json:",inline"`
	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9._-]+$`
	Key string `json:"key"`
}

// PredefinedRole is one of PostgreSQL's predefined roles: to read all tables, to write all tables, to
// read all statistics and settings, or to read statistics only.
// +kubebuilder:validation:Enum=pg_read_all_data;pg_write_all_data;pg_monitor;pg_read_all_stats
type PredefinedRole string

// DatabaseObjectState is the state of something declared inside the database.
// +kubebuilder:validation:Enum=Ready;Pending;Building;Invalid;Failed;Conflict;Retained
type DatabaseObjectState string

// The states of something declared inside the database.
const (
	// ObjectReady: it is as declared.
	ObjectReady DatabaseObjectState = "Ready"
	// ObjectPending: it waits for something, which the message names.
	ObjectPending DatabaseObjectState = "Pending"
	// ObjectBuilding: an index is being built.
	ObjectBuilding DatabaseObjectState = "Building"
	// ObjectInvalid: an index was left half built and will be built anew.
	ObjectInvalid DatabaseObjectState = "Invalid"
	// ObjectFailed: PostgreSQL refused; the message is its own.
	ObjectFailed DatabaseObjectState = "Failed"
	// ObjectConflict: something else has this name, and is not touched.
	ObjectConflict DatabaseObjectState = "Conflict"
	// ObjectRetained: it is no longer declared, and nothing is dropped.
	ObjectRetained DatabaseObjectState = "Retained"
)

// DatabaseObjectStatus is what is known of something declared inside the database.
type DatabaseObjectStatus struct {
	// name of the index, extension or role.
	Name string `json:"name"`
	// state is Ready, Pending, Building, Invalid, Failed, Conflict or Retained.
	State DatabaseObjectState `json:"state"`
	// message says what it waits for or what is wrong.
	// +optional
	Message string `json:"message,omitempty"`
}
