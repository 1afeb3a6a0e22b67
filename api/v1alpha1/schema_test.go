package v1alpha1

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/test/apiserver"
)

// node is one node of a CRD's schema, as generated.
type node struct {
	Description string          `json:"description"`
	Properties  map[string]node `json:"properties"`
	Items       *node           `json:"items"`
	Values      *node           `json:"additionalProperties"`
	MaxEntries  *int64          `json:"maxProperties"`
	Default     any             `json:"default"`
	Required    []string        `json:"required"`
	Pattern     string          `json:"pattern"`
	Enum        []any           `json:"enum"`
	Minimum     *float64        `json:"minimum"`
	Maximum     *float64        `json:"maximum"`
	MinLength   *int64          `json:"minLength"`
	MaxLength   *int64          `json:"maxLength"`
	MinItems    *int64          `json:"minItems"`
	MaxItems    *int64          `json:"maxItems"`
	ListMapKeys []string        `json:"x-kubernetes-list-map-keys"`
	Validations []struct {
		Rule    string `json:"rule"`
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

// walk visits a node and all below it; the items of a list are at path[].
func (n node) walk(path string, visit func(path string, field node)) {
	visit(path, n)
	for name, property := range n.Properties {
		property.walk(strings.TrimPrefix(path+"."+name, "."), visit)
	}
	if n.Items != nil {
		n.Items.walk(path+"[]", visit)
	}
	if n.Values != nil {
		n.Values.walk(path+"{}", visit)
	}
}

// The kinds, as their CRDs call them.
const (
	clusters = "fediflowclusters"
	profiles = "performanceprofiles"
)

func readCRD(t *testing.T, kind string) (text []byte, root node) {
	t.Helper()
	text, err := os.ReadFile(apiserver.Path("config/crd/bases/fediflow.io_" + kind + ".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPI node `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	if len(crd.Spec.Versions) != 1 {
		t.Fatalf("the CRD has %d versions: the tests know one", len(crd.Spec.Versions))
	}
	return text, crd.Spec.Versions[0].Schema.OpenAPI
}

// immutable are the rules about changes of a spec, which no single object can break.
const immutable = "oldSelf"

// specRules are the rules of the spec of a kind, each with what the API server says of whoever breaks it.
func specRules(t *testing.T, kind string) map[string]*regexp.Regexp {
	t.Helper()
	rules := map[string]*regexp.Regexp{}
	_, root := readCRD(t, kind)
	root.Properties["spec"].walk("spec", func(path string, field node) {
		add := func(present bool, keyword, says string) {
			if present {
				place := strings.ReplaceAll(regexp.QuoteMeta(path), `\{\}`, `\.\w+`)
				rules[path+" "+keyword] = regexp.MustCompile("^" + place + "(<no value>)?: .*" + says)
			}
		}
		add(field.Pattern != "", "pattern", "should match")
		add(len(field.Enum) > 0, "enum", "supported values")
		add(field.Minimum != nil, "minimum", "greater than or equal to")
		add(field.Maximum != nil, "maximum", "less than or equal to")
		add(field.MinLength != nil, "minLength", "at least .* chars long")
		add(field.MaxLength != nil, "maxLength", "Too long")
		add(field.MinItems != nil, "minItems", "at least .* items")
		add(field.MaxItems != nil, "maxItems", "Too many")
		add(field.MaxEntries != nil, "maxProperties", "Too many")
		for _, name := range field.Required {
			rules[path+"."+name+" required"] = regexp.MustCompile("^" + regexp.QuoteMeta(path+"."+name) + ": Required value")
		}
		if len(field.ListMapKeys) > 0 {
			rules[path+" keys"] = regexp.MustCompile("^" + regexp.QuoteMeta(path) + `\[\]: Duplicate value`)
		}
		for _, validation := range field.Validations {
			if !strings.Contains(validation.Rule, immutable) {
				add(true, validation.Rule, regexp.QuoteMeta(validation.Message))
			}
		}
	})
	if least := map[string]int{clusters: 70, profiles: 60}[kind]; len(rules) < least {
		t.Fatalf("found only %d rules in the CRD of %s", len(rules), kind)
	}
	return rules
}

// everyKind runs a test for the CRD of every kind.
func everyKind(t *testing.T, test func(t *testing.T, text []byte, root node)) {
	t.Helper()
	for _, kind := range []string{clusters, profiles} {
		t.Run(kind, func(t *testing.T) {
			text, root := readCRD(t, kind)
			test(t, text, root)
		})
	}
}

// kubectl explain is the manual.
func TestEveryFieldHasADescription(t *testing.T) {
	everyKind(t, func(t *testing.T, _ []byte, root node) {
		t.Helper()
		fields := 0
		root.walk("", func(path string, field node) {
			fields++
			// The items of a list are described by the list, and metadata by the API server.
			if field.Description == "" && path != "metadata" && !strings.HasSuffix(path, "[]") && !strings.HasSuffix(path, "{}") {
				t.Errorf("%s has no description", path)
			}
		})
		if fields < 35 {
			t.Errorf("saw only %d fields", fields)
		}
	})
}

// A default in the spec would show up as a difference in GitOps tools.
func TestTheSpecHasNoDefaults(t *testing.T) {
	everyKind(t, func(t *testing.T, _ []byte, root node) {
		t.Helper()
		root.Properties["spec"].walk("spec", func(path string, field node) {
			if field.Default != nil {
				t.Errorf("%s has the default %v: defaults are resolved in code and published in status.plan", path, field.Default)
			}
		})
	})
}

// Client-side apply keeps the whole object in an annotation, which has a limit.
func TestTheCRDFitsIntoAnAnnotation(t *testing.T) {
	everyKind(t, func(t *testing.T, text []byte, _ node) {
		t.Helper()
		content, err := yaml.YAMLToJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if limit := 256 << 10; len(content) >= limit {
			t.Errorf("the CRD has %d bytes, want less than %d", len(content), limit)
		}
	})
}

// Flux would substitute it.
func TestTheCRDHasNoDollarBraces(t *testing.T) {
	everyKind(t, func(t *testing.T, text []byte, _ node) {
		t.Helper()
		if strings.Contains(string(text), "${") {
			t.Error("the CRD contains a dollar sign with a brace")
		}
	})
}
