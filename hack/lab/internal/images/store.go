// Package images makes the container images of the lab without a registry:
// base images from Debian packages and npm, ours from their Dockerfiles. They
// live in buildah's storage and are copied into each node's containerd.
package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Store makes and copies images for one checkout.
type Store struct {
	Root string // of the checkout
	Say  func(format string, args ...any)
}

// id returns the identity of an image in buildah's storage, "" when missing.
func id(ref string) string {
	out, err := host.Run("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", ref)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// Import copies an image to those nodes that do not have it as it is now.
func (s Store) Import(ref string, nodes []plan.Node) error {
	image := id(ref)
	if image == "" {
		return fmt.Errorf("import %s: there is no such image", ref)
	}
	var lacking []plan.Node
	for _, n := range nodes {
		if !has(n, ref, image) {
			lacking = append(lacking, n)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	dir, err := s.scratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "image.tar")
	if _, err := host.Run("buildah", "push", "--disable-compression", ref, "oci-archive:"+archive+":"+ref); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(2) // unpacking keeps a core busy
	for _, n := range lacking {
		group.Go(func() error { return load(n, ref, image, archive) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.Say("%d nodes got %s", len(lacking), ref)
	return nil
}

// record remembers which image a node holds under a reference.
func record(n plan.Node, ref string) string {
	return filepath.Join(n.Dir(), "images", strings.NewReplacer("/", "_", ":", "@").Replace(ref))
}

func has(n plan.Node, ref, image string) bool {
	known, err := os.ReadFile(record(n, ref))
	return err == nil && string(known) == image
}

// load brings an archive into a node's containerd, which may just be starting.
func load(n plan.Node, ref, image, archive string) error {
	ctr := func(args ...string) error {
		_, err := host.Run("ctr", append([]string{"--address", n.Socket(), "--namespace", "k8s.io"}, args...)...)
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); ctr("version") != nil; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("import %s: containerd of %s does not answer", ref, n.Name)
		}
	}
	if err := ctr("images", "import", archive); err != nil {
		return fmt.Errorf("import into %s: %w", n.Name, err)
	}
	// The Kubernetes side of containerd gives an image its identity when it
	// sees it for the first time. Without the mark it looks at this one anew.
	if err := ctr("images", "label", ref, "io.cri-containerd.image="); err != nil {
		return fmt.Errorf("announce in %s: %w", n.Name, err)
	}
	if old, err := os.ReadFile(record(n, ref)); err == nil && string(old) != image {
		// Frees the disk. Containers that still run the old image keep what they use.
		_ = ctr("images", "remove", "sha256:"+string(old))
	}
	return host.WriteFile(record(n, ref), image)
}

// scratch makes a folder for large intermediate files.
func (s Store) scratch() (string, error) {
	parent := filepath.Join(s.Root, ".cache", "images")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("make %s: %w", parent, err)
	}
	return os.MkdirTemp(parent, "tmp-")
}

// EnsurePause builds the sandbox image from hack/lab/pause unless it exists.
func (s Store) EnsurePause() error {
	if id(plan.PauseImage) != "" {
		return nil
	}
	s.Say("building %s", plan.PauseImage)
	dir, err := s.scratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	err = host.Stream(filepath.Join(s.Root, "hack", "lab"), []string{"CGO_ENABLED=0"}, "go", "build",
		"-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(dir, "tree", "pause"), "./pause")
	if err != nil {
		return err
	}
	return layer{from: "scratch", tree: filepath.Join(dir, "tree"),
		settings: []string{`--entrypoint=["/pause"]`, "--user=65535:65535"}}.commit(plan.PauseImage)
}
