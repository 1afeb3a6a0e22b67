package images

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

func sumOf(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	if err := sumFiles(sum, dir); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func put(t *testing.T, dir, name, content string, mode os.FileMode) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// An image is built anew when, and only when, the build could see a change.
func TestSumFollowsWhatTheBuildSees(t *testing.T) {
	cases := map[string]struct {
		file, content string
		mode          os.FileMode
		changes       bool
	}{
		"a source changes":            {"src/main.go", "two", 0o644, true},
		"a script becomes executable": {"src/main.go", "one", 0o755, true},
		"a source is added":           {"src/more.go", "", 0o644, true},
		"the Dockerfile changes":      {"Dockerfile", "FROM other", 0o644, true},
		"an ignored file changes":     {"docs/README.md", "two", 0o644, false},
		"an ignored folder grows":     {".cache/bin/lab", "x", 0o755, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "Dockerfile", "FROM scratch", 0o644)
			put(t, dir, ".dockerignore", "*\n!src\n", 0o644)
			put(t, dir, "src/main.go", "one", 0o644)
			put(t, dir, "docs/README.md", "one", 0o644)
			before := sumOf(t, dir)
			if sumOf(t, dir) != before {
				t.Fatal("the sum of an unchanged folder changes")
			}
			put(t, dir, c.file, c.content, c.mode)
			if changed := sumOf(t, dir) != before; changed != c.changes {
				t.Errorf("changed = %v, want %v", changed, c.changes)
			}
		})
	}
}
