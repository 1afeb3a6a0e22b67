package catalog

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/internal/component"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// TestManifestsAreThoseInTheGoldenFiles is also the proof that a new version of the operator rolls
// nothing that its release notes do not name.
func TestManifestsAreThoseInTheGoldenFiles(t *testing.T) {
	want := map[string][]byte{}
	for _, platform := range goldenPlatforms(t) {
		for _, c := range Components() {
			path := filepath.Join("testdata", platform.name, string(c.Name)+".yaml")
			want[path] = manifest(t, c.Render(platform.plan))
		}
	}
	if *update {
		rewrite(t, want)
	}
	for path, text := range want {
		golden, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing", path)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(golden), string(text)); diff != "" {
			t.Errorf("%s (-golden +rendered):\n%s", path, diff)
		}
	}
	for _, path := range goldenFiles(t) {
		if want[path] == nil {
			t.Errorf("%s is of nothing that is rendered", path)
		}
	}
	if t.Failed() {
		t.Log("if this is as it should be: go test ./internal/component/catalog -update, and review the difference")
	}
}

// manifest is what a component renders, as YAML. What a manifest cannot say is in comments.
func manifest(t *testing.T, rendered component.Rendered) []byte {
	t.Helper()
	var text bytes.Buffer
	for _, secret := range rendered.Secrets {
		fmt.Fprintf(&text, "# Secret %s is generated once: %s\n", secret.Name, strings.Join(keys(secret), ", "))
	}
	for _, object := range rendered.Objects {
		document, err := yaml.Marshal(object.Configuration)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("---\n")
		if object.Lifetime == component.WithData {
			text.WriteString("# outlives the cluster\n")
		}
		text.Write(document)
	}
	return text.Bytes()
}

// keys are the keys of a generated Secret, sorted.
func keys(secret component.Secret) []string {
	all := slices.Clone(secret.Random)
	if secret.Derive != nil {
		for key := range secret.Derive(map[string]string{}) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

func rewrite(t *testing.T, files map[string][]byte) {
	t.Helper()
	for _, path := range goldenFiles(t) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
