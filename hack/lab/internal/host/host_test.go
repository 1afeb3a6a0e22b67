package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestParseStatReadsPastAnyProgramName(t *testing.T) {
	const rest = " 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4711 0 0"
	cases := map[string]struct{ stat, want string }{
		"plain":                  {"42 (etcd) S" + rest, "4711"},
		"name holds brackets":    {"42 (a) R (b) S" + rest, "4711"},
		"a zombie is not alive":  {"42 (etcd) Z" + rest, ""},
		"cut off after the name": {"42 (etcd) S 1", ""},
	}
	for name, c := range cases {
		got, err := parseStat(c.stat)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestRecallKnowsOnlyTheProcessThatWasStarted(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "unit.json")
	if err := remember(file, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if p, ok := Recall(file); !ok || p.PID != cmd.Process.Pid {
		t.Errorf("a living process is not recalled: %v, %v", p, ok)
	}
	stranger := filepath.Join(t.TempDir(), "unit.json")
	if err := os.WriteFile(stranger, []byte(`{"pid":1,"start":"-1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := Recall(stranger); ok {
		t.Error("another process with the same number is taken for ours")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, ok := Recall(file); ok {
		t.Error("a dead process is recalled")
	}
}

func TestMountsBelowFindsOursTheLastOneFirst(t *testing.T) {
	const info = `25 1 8:1 / / rw - ext4 /dev/sda rw
30 25 0:5 / /lab rw - tmpfs one rw
31 30 0:6 / /lab/with\040blank rw - tmpfs two rw
32 25 0:7 / /laboratory rw - tmpfs two rw
`
	got := mountsBelow(info, []string{"/lab"})
	if want := []string{"/lab/with blank", "/lab"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteFileLeavesAnEqualFileAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "b")
	if err := WriteFile(file, "one"); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(file)
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(file, "one"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(file); !after.ModTime().Equal(before.ModTime()) {
		t.Error("an equal file was written again: watchers restart for nothing")
	}
	if err := WriteFile(file, "two"); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "two" {
		t.Errorf("the file holds %q", text)
	}
}
