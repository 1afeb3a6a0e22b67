package images

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
)

// base is a public base image and how the lab makes a stand-in for it, such
// that Dockerfiles need not know of the lab.
type base struct {
	ref  string
	make func(s Store, b base, dir string) error
}

const (
	debian    = "docker.io/library/debian:trixie-slim"
	caBundle  = "/etc/ssl/certs/ca-certificates.crt"
	nodeMajor = "24"
	path      = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// bases in the order in which they are made: later ones build on the first.
var bases = []base{
	{debian, makeDebian},
	{"docker.io/library/golang:1.26-trixie", makeGolang},
	{"docker.io/library/node:" + nodeMajor + "-trixie-slim", makeNode},
	{"gcr.io/distroless/static-debian13:nonroot", makeStatic},
}

// Freshness says whether base images that exist will do.
type Freshness int

// Cached keeps base images that exist; Fresh makes them anew, with Debian's
// current packages.
const (
	Cached Freshness = iota
	Fresh
)

// EnsureBases makes the base images that buildah's storage lacks, or all.
func (s Store) EnsureBases(f Freshness) error {
	for _, b := range bases {
		if f == Cached && id(b.ref) != "" {
			continue
		}
		s.Say("making %s", b.ref)
		dir, err := s.scratch()
		if err != nil {
			return err
		}
		err = b.make(s, b, dir)
		if removeErr := os.RemoveAll(dir); err == nil && removeErr != nil {
			err = removeErr
		}
		if err != nil {
			return fmt.Errorf("make %s: %w", b.ref, err)
		}
	}
	return nil
}

// sources are those of the public image; debootstrap knows the first only.
const sources = `deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian trixie-updates main
deb http://deb.debian.org/debian-security trixie-security main
`

// slim keeps documentation out of what is installed later, as in the public image.
const slim = `path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
`

// makeDebian installs a minimal Debian. The host's CA bundle goes in, as the
// host may sit behind a proxy with a CA of its own.
func makeDebian(s Store, b base, dir string) error {
	root := filepath.Join(dir, "root")
	err := host.Stream("", nil, "debootstrap", "--variant=minbase", "--include=ca-certificates",
		"trixie", root, "http://deb.debian.org/debian")
	if err != nil {
		return err
	}
	if err := copyInto(root, caBundle, caBundle); err != nil {
		return err
	}
	files := map[string]string{
		"etc/apt/sources.list": sources,
		// As in the public image: keep no package files, start no services.
		"etc/apt/apt.conf.d/docker-clean": "DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb || true\"; };\n",
		"etc/apt/apt.conf.d/slim":         "Acquire::Languages \"none\";\n",
		"etc/dpkg/dpkg.cfg.d/docker":      slim,
	}
	for name, content := range files {
		if err := host.WriteFile(filepath.Join(root, name), content); err != nil {
			return err
		}
	}
	const clean = `cd "$0" || exit 1
rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/man/* usr/share/locale/* usr/share/info/*
find usr/share/doc -type f ! -name copyright -delete
printf '#!/bin/sh\nexit 101\n' > usr/sbin/policy-rc.d && chmod 755 usr/sbin/policy-rc.d`
	if _, err := host.Run("/bin/sh", "-c", clean, root); err != nil {
		return err
	}
	return layer{from: "scratch", tree: root,
		settings: []string{`--cmd=["bash"]`, "--env=PATH=" + path}}.commit(b.ref)
}

// makeGolang adds the machine's own Go.
func makeGolang(s Store, b base, dir string) error {
	goroot, err := host.Run("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	tree := filepath.Join(dir, "tree")
	if err := copyInto(tree, strings.TrimSpace(goroot)+"/.", "/usr/local/go"); err != nil {
		return err
	}
	return layer{from: debian, tree: tree, settings: []string{"--env=GOTOOLCHAIN=local",
		"--env=GOPATH=/go", "--env=PATH=/go/bin:/usr/local/go/bin:" + path, "--workingdir=/go"}}.commit(b.ref)
}

// makeNode adds Node.js and npm, which npm itself distributes.
func makeNode(s Store, b base, dir string) error {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	pkg := "node-linux-" + arch
	_, err := host.RunIn(dir, "", "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts",
		pkg+"@"+nodeMajor, "npm@11")
	if err != nil {
		return err
	}
	tree := filepath.Join(dir, "tree")
	for from, to := range map[string]string{
		filepath.Join(dir, "node_modules", pkg, "bin", "node"): "/usr/local/bin/node",
		filepath.Join(dir, "node_modules", "npm") + "/.":       "/usr/local/lib/node_modules/npm",
	} {
		if err := copyInto(tree, from, to); err != nil {
			return err
		}
	}
	for _, command := range []string{"npm", "npx"} {
		target := "../lib/node_modules/npm/bin/" + command + "-cli.js"
		if err := os.Symlink(target, filepath.Join(tree, "usr/local/bin", command)); err != nil {
			return fmt.Errorf("link %s: %w", command, err)
		}
	}
	return layer{
		from: debian, tree: tree,
		run:      "groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node",
		settings: []string{"--env=NODE_EXTRA_CA_CERTS=" + caBundle, `--cmd=["node"]`},
	}.commit(b.ref)
}

const users = `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
`

const groups = `root:x:0:
nobody:x:65534:
nonroot:x:65532:
`

// makeStatic is an image for static binaries: CA certificates, time zones and
// an unprivileged user.
func makeStatic(s Store, b base, dir string) error {
	tree := filepath.Join(dir, "tree")
	if err := copyInto(tree, caBundle, caBundle); err != nil {
		return err
	}
	if err := copyInto(tree, "/usr/share/zoneinfo/.", "/usr/share/zoneinfo"); err != nil {
		return err
	}
	files := map[string]string{
		"etc/passwd":        users,
		"etc/group":         groups,
		"etc/nsswitch.conf": "hosts: files dns\n",
	}
	for name, content := range files {
		if err := host.WriteFile(filepath.Join(tree, name), content); err != nil {
			return err
		}
	}
	const folders = `cd "$0" && mkdir -p tmp home/nonroot && chmod 1777 tmp && chown 65532:65532 home/nonroot && chmod 700 home/nonroot`
	if _, err := host.Run("/bin/sh", "-c", folders, tree); err != nil {
		return err
	}
	return layer{from: "scratch", tree: tree, settings: []string{"--user=65532",
		"--workingdir=/home/nonroot", "--env=PATH=" + path, "--env=SSL_CERT_FILE=" + caBundle}}.commit(b.ref)
}
