package images

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
)

// source is an image that this repository describes by a Dockerfile.
type source struct{ name, context string }

// sources returns our images: the operator's Dockerfile is at the root, each
// other one in a folder of images/.
func (s Store) sources() ([]source, error) {
	found, err := filepath.Glob(filepath.Join(s.Root, "images", "*", "Dockerfile"))
	if err != nil {
		return nil, err
	}
	var all []source
	for _, f := range found {
		dir := filepath.Dir(f)
		all = append(all, source{filepath.Base(dir), dir})
	}
	if _, err := os.Stat(filepath.Join(s.Root, "Dockerfile")); err == nil {
		all = append(all, source{"operator", s.Root})
	}
	return all, nil
}

// Build builds the named images of ours, all when there is no name, and
// returns their references. The name of a base image stands for that image.
func (s Store) Build(tag string, names []string) ([]string, error) {
	all, err := s.sources()
	if err != nil {
		return nil, err
	}
	var refs, known []string
	for _, b := range bases {
		short := strings.TrimPrefix(b.ref, "docker.io/library/")
		known = append(known, short)
		if slices.Contains(names, short) {
			refs = append(refs, b.ref)
		}
	}
	for _, src := range all {
		known = append(known, src.name)
		if len(names) > 0 && !slices.Contains(names, src.name) {
			continue
		}
		ref := "docker.io/fediflow/" + src.name + ":" + tag
		if err := s.build(src, ref); err != nil {
			return nil, fmt.Errorf("build %s: %w", ref, err)
		}
		refs = append(refs, ref)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no image %q; there are %s", n, strings.Join(known, ", "))
		}
	}
	return refs, nil
}

// build builds an image unless the one that exists was built from the same
// files and base images.
func (s Store) build(src source, ref string) error {
	key, err := contextHash(src.context)
	if err != nil {
		return err
	}
	note := filepath.Join(s.Root, ".cache", "images", strings.NewReplacer("/", "_", ":", "@").Replace(ref))
	if old, err := os.ReadFile(note); err == nil && string(old) == key+" "+id(ref) {
		return nil
	}
	s.Say("building %s", ref)
	err = host.Stream(src.context, nil, "buildah", "bud", "--isolation", "chroot", "--network", "host",
		"--pull-never", "--layers", "--quiet", "--tag", ref, ".")
	if err != nil {
		return err
	}
	return host.WriteFile(note, key+" "+id(ref))
}
