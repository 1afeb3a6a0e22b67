package database

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

var users = plan.IndexPlan{Name: "i", Schema: "public", Table: "users", Method: "btree", Columns: []plan.IndexColumn{{Name: "id"}}}

func found() Found {
	return Found{
		Tables:     map[Relation]FoundTable{{"public", "users"}: {Ordinary: true, Columns: []string{"id"}}},
		Indexes:    map[Relation]FoundIndex{},
		Extensions: map[string]bool{"hstore": false, "citext": true},
		Roles:      map[string]FoundRole{},
		Passwords:  map[string]string{},
	}
}

func actions(steps []Step) []Action {
	var all []Action
	for _, step := range steps {
		all = append(all, step.Action)
	}
	return all
}

func TestIndexesAreBuiltOrTheReasonIsSaid(t *testing.T) {
	whole := FoundIndex{Table: "users", Method: "btree", Valid: true, Plain: true, Columns: users.Columns}
	half := whole
	half.Valid = false
	for name, test := range map[string]struct {
		hold  string
		table *FoundTable
		index *FoundIndex
		state v1alpha1.DatabaseObjectState
		steps []Action
	}{
		"no table":                          {"", nil, nil, v1alpha1.ObjectPending, nil},
		"no column":                         {"", &FoundTable{Ordinary: true}, nil, v1alpha1.ObjectPending, nil},
		"a view":                            {"", &FoundTable{Columns: []string{"id"}}, nil, v1alpha1.ObjectFailed, nil},
		"a table":                           {"", &FoundTable{Ordinary: true, Columns: []string{"id"}}, nil, v1alpha1.ObjectPending, []Action{CreateIndex}},
		"a table that is being migrated":    {"migrating", &FoundTable{Ordinary: true, Columns: []string{"id"}}, nil, v1alpha1.ObjectPending, nil},
		"the index":                         {"", &FoundTable{Ordinary: true}, &whole, v1alpha1.ObjectReady, nil},
		"the index during a migration":      {"migrating", &FoundTable{Ordinary: true}, &whole, v1alpha1.ObjectReady, nil},
		"half an index":                     {"", &FoundTable{Ordinary: true}, &half, v1alpha1.ObjectInvalid, []Action{DropIndex, CreateIndex}},
		"half an index that is being built": {"", &FoundTable{Ordinary: true, Locked: true}, &half, v1alpha1.ObjectBuilding, nil},
		"half an index during a migration":  {"migrating", &FoundTable{Ordinary: true}, &half, v1alpha1.ObjectInvalid, nil},
		"another index":                     {"", &FoundTable{Ordinary: true}, &FoundIndex{Table: "users", Method: "gin", Plain: true, Columns: users.Columns}, v1alpha1.ObjectConflict, nil},
		"another half index":                {"", &FoundTable{Ordinary: true}, &FoundIndex{Table: "other", Method: "btree", Plain: true, Columns: users.Columns}, v1alpha1.ObjectConflict, nil},
		"a table of this name":              {"", &FoundTable{Ordinary: true}, &FoundIndex{}, v1alpha1.ObjectConflict, nil},
	} {
		f := found()
		delete(f.Tables, Relation{"public", "users"})
		if test.table != nil {
			f.Tables[Relation{"public", "users"}] = *test.table
		}
		if test.index != nil {
			f.Indexes[Relation{"public", "i"}] = *test.index
		}
		objects, steps := Diff(Declared{Indexes: []plan.IndexPlan{users}, HoldIndexes: test.hold}, f)
		if objects.Indexes[0].State != test.state || !cmp.Equal(actions(steps), test.steps) {
			t.Errorf("%s: %+v, steps %v", name, objects.Indexes[0], actions(steps))
		}
		if settled := len(objects.Unsettled()) == 0; settled != (test.state == v1alpha1.ObjectReady) {
			t.Errorf("%s: settled is %v", name, settled)
		}
	}
}

// Safety rule 10.
func TestAPasswordThatCannotBeReadIsNotCleared(t *testing.T) {
	role := Role{RolePlan: plan.RolePlan{Name: "r", ConnectionLimit: 5}, Unreadable: "Secret s does not exist"}
	f := found()
	if _, steps := Diff(Declared{Roles: []Role{role}}, f); len(steps) > 0 {
		t.Errorf("a role without a password: %+v", steps)
	}
	f.Roles["r"] = FoundRole{Ours: true, Login: true}
	f.Passwords["r"] = "1"
	objects, steps := Diff(Declared{Roles: []Role{role}}, f)
	if len(steps) != 1 || steps[0].SetPassword || objects.Roles[0].State != v1alpha1.ObjectPending {
		t.Errorf("%+v %+v", steps, objects)
	}
}

func TestMembershipsThatSomebodyElseGrantedStay(t *testing.T) {
	role := Role{RolePlan: plan.RolePlan{Name: "r", Inherit: true, MemberOf: []string{"pg_monitor"}}, Version: "1"}
	f := found()
	f.Roles["r"] = FoundRole{Ours: true, Login: true, Inherit: true, MemberOf: []string{"editors", "pg_read_all_data"}}
	f.Passwords["r"] = "1"
	_, steps := Diff(Declared{Roles: []Role{role}}, f)
	if len(steps) != 1 || steps[0].SetPassword || !cmp.Equal(steps[0].Grant, []string{"pg_monitor"}) || !cmp.Equal(steps[0].Revoke, []string{"pg_read_all_data"}) {
		t.Errorf("%+v", steps)
	}
	f.Roles["r"] = FoundRole{Ours: true, Login: true, Inherit: true, MemberOf: []string{"editors", "pg_monitor"}}
	if objects, steps := Diff(Declared{Roles: []Role{role}}, f); len(steps) > 0 || objects.Roles[0].State != v1alpha1.ObjectReady {
		t.Errorf("%+v %+v", objects, steps)
	}
}

func TestNothingIsEverDroppedButAHalfBuiltIndex(t *testing.T) {
	f := found()
	f.Roles["old"] = FoundRole{Ours: true, Login: true}
	f.Indexes[Relation{"public", "old"}] = FoundIndex{Table: "users"}
	objects, steps := Diff(Declared{}, f)
	if len(steps) > 0 || len(objects.Roles) != 1 || objects.Roles[0].State != v1alpha1.ObjectRetained {
		t.Errorf("%+v %+v", objects, steps)
	}
}

func TestExtensionsAndRolesComeBeforeIndexes(t *testing.T) {
	_, steps := Diff(Declared{Extensions: []string{"citext", "hstore"}, Roles: []Role{{RolePlan: plan.RolePlan{Name: "r"}}}, Indexes: []plan.IndexPlan{users}}, found())
	if !cmp.Equal(actions(steps), []Action{CreateExtension, CreateRole, CreateIndex}) {
		t.Errorf("%+v", steps)
	}
}

// What was Ready under another declaration says nothing of this one.
func TestAStateIsThatOfItsDeclaration(t *testing.T) {
	changed := users
	changed.Unique = true
	ready := Objects{Indexes: []v1alpha1.DatabaseObjectStatus{{Name: "i", State: v1alpha1.ObjectReady}, {Name: "gone", State: v1alpha1.ObjectReady}}}
	was := Declared{Indexes: []plan.IndexPlan{users}}
	if same := ready.Project(was, was); len(same.Indexes) != 1 || same.Indexes[0].State != v1alpha1.ObjectReady {
		t.Errorf("the same declaration: %+v", same)
	}
	if other := ready.Project(was, Declared{Indexes: []plan.IndexPlan{changed}}); other.Indexes[0].State != v1alpha1.ObjectPending {
		t.Errorf("another declaration: %+v", other)
	}
}

func TestADatabaseThatIsOutOfReachKeepsWhatIsReady(t *testing.T) {
	objects := Objects{Indexes: []v1alpha1.DatabaseObjectStatus{{Name: "a", State: v1alpha1.ObjectReady}, {Name: "b", State: v1alpha1.ObjectBuilding}}}
	got := objects.Unreached(errors.New("no route")).Indexes
	want := []v1alpha1.DatabaseObjectStatus{{Name: "a", State: v1alpha1.ObjectReady}, {Name: "b", State: v1alpha1.ObjectPending, Message: "no route"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if objects.Indexes[1].State != v1alpha1.ObjectBuilding {
		t.Error("the original changed")
	}
}
