package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
)

// layer describes an image as another one plus some changes, in this order.
type layer struct {
	from     string   // "scratch" for nothing
	tree     string   // folder whose content is added
	run      string   // shell script to run inside, if any
	settings []string // options of `buildah config`
}

// commit makes the image that l describes.
func (l layer) commit(image string) error {
	out, err := host.Run("buildah", "from", "--pull-never", l.from)
	if err != nil {
		return err
	}
	container := strings.TrimSpace(out)
	defer func() { _, _ = host.Run("buildah", "rm", container) }()
	commands := [][]string{
		{"add", "--quiet", container, l.tree + "/", "/"},
		append(append([]string{"config"}, l.settings...), container),
	}
	if l.run != "" {
		commands = append(commands, []string{"run", "--isolation", "chroot", container, "--", "sh", "-c", l.run})
	}
	for _, c := range append(commands, []string{"commit", "--quiet", container, image}) {
		if _, err := host.Run("buildah", c...); err != nil {
			return err
		}
	}
	return nil
}

// copyInto copies a file or folder of the host into a tree. A from that ends
// in "/." is a folder whose content is meant.
func copyInto(tree, from, to string) error {
	target := filepath.Join(tree, to)
	parent := filepath.Dir(target)
	if strings.HasSuffix(from, "/.") {
		parent = target
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", parent, err)
	}
	// -H: a link named here is followed, links inside a folder stay links.
	_, err := host.Run("cp", "-a", "-H", "--no-preserve=ownership", from, target)
	return err
}
