package cluster

import (
	"path/filepath"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/images"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Images makes the named images (all when there is no name) and gives them to
// the nodes.
func (l *Lab) Images(tag string, bases images.Freshness, names []string) error {
	if err := host.CheckMachine(); err != nil {
		return err
	}
	if err := host.EnsurePackages(); err != nil {
		return err
	}
	if err := host.Lock(filepath.Join(l.Root, ".cache", "images", "lock")); err != nil {
		return err
	}
	store := images.Store{Root: l.Root, Say: l.Say}
	if err := store.EnsureBases(bases); err != nil {
		return err
	}
	refs, err := store.Build(tag, names)
	if err != nil {
		return err
	}
	if !isUp() {
		l.Say("the images are built, but the lab is down: no node has them")
		return nil
	}
	for _, ref := range refs {
		if err := store.Import(ref, plan.Nodes()); err != nil {
			return err
		}
	}
	l.Say("all nodes have %s", strings.Join(refs, ", "))
	return nil
}
