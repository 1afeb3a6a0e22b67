package catalog

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestRenderingIsDeterministic(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		want := everything(t, p)
		for range 20 {
			if !bytes.Equal(everything(t, p), want) {
				t.Fatal("the same plan renders different objects")
			}
		}
	})
}

// Apply overwrites its argument with the server's reply: nothing in it may be part of the plan, of
// another object or of the next rendering.
func TestRenderingMakesFreshObjectsEachTime(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		owner := map[uintptr]string{}
		claim := func(name string, value any) {
			t.Helper()
			for address := range addresses(value) {
				if other, taken := owner[address]; taken {
					t.Errorf("%s and %s share memory", name, other)
				}
				owner[address] = name
			}
		}
		claim("the plan", p)
		// What was rendered stays alive, so that no address is used twice.
		var alive []any
		for _, pass := range []string{"first ", "second "} {
			for _, c := range Components() {
				for _, object := range c.Render(p).Objects {
					alive = append(alive, object.Configuration)
					claim(pass+typed(t, c.Name, object).String(), object.Configuration)
				}
			}
		}
		if len(alive) == 0 || len(owner) < len(alive) {
			t.Errorf("%d addresses in %d objects", len(owner), len(alive))
		}
	})
}

// addresses are those of everything in a value that can be changed through it.
func addresses(value any) map[uintptr]bool {
	found := map[uintptr]bool{}
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() && v.Type().Elem().Size() > 0 && !found[v.Pointer()] {
				found[v.Pointer()] = true
				walk(v.Elem())
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Map:
			if !v.IsNil() {
				found[v.Pointer()] = true
				for _, key := range v.MapKeys() {
					walk(v.MapIndex(key))
				}
			}
		case reflect.Slice:
			if v.Cap() > 0 && v.Type().Elem().Size() > 0 {
				found[v.Pointer()] = true
			}
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for _, field := range v.Fields() {
				walk(field)
			}
		default:
		}
	}
	walk(reflect.ValueOf(value))
	return found
}

func TestAddressesSeeWhatIsShared(t *testing.T) {
	shared := map[string]string{"a": "b"}
	type holder struct{ Labels map[string]string }
	one, other := addresses(&holder{shared}), addresses([]holder{{shared}})
	for address := range one {
		if other[address] {
			return
		}
	}
	t.Error("a shared map is not seen")
}

// everything is all that a plan renders, as JSON.
func everything(t *testing.T, p plan.Plan) []byte {
	t.Helper()
	var all []any
	for _, c := range Components() {
		for _, object := range c.Render(p).Objects {
			all = append(all, object.Configuration, object.Lifetime)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// templates are the pod templates of a cluster by workload, as JSON.
func templates(t *testing.T, cluster *v1alpha1.FediFlowCluster) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, w := range workloads(t, resolve(t, cluster)) {
		text, err := json.Marshal(w.template)
		if err != nil {
			t.Fatal(err)
		}
		all[w.String()] = string(text)
	}
	return all
}
