package images

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// contextHash sums up all files of a build context that a build may see, and
// the identities of the base images: what it depends on, but for the network.
func contextHash(dir string) (string, error) {
	sum := sha256.New()
	for _, b := range bases {
		fmt.Fprintln(sum, b.ref, id(b.ref))
	}
	err := sumFiles(sum, dir)
	return hex.EncodeToString(sum.Sum(nil)), err
}

func sumFiles(sum io.Writer, dir string) error {
	ignored, err := ignoreFile(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		skip, err := ignored.MatchesOrParentMatches(relative)
		if err != nil {
			return fmt.Errorf("match %s: %w", relative, err)
		}
		// The Dockerfile matters even when it is not part of the context.
		if skip && relative != "Dockerfile" {
			if e.IsDir() && !ignored.Exclusions() {
				return fs.SkipDir
			}
			if e.IsDir() && e.Name()[0] == '.' { // .git and .cache are large
				return fs.SkipDir
			}
			return nil
		}
		return sumFile(sum, relative, path, e)
	})
}

// ignoreFile reads a context's .dockerignore.
func ignoreFile(dir string) (*patternmatcher.PatternMatcher, error) {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("open .dockerignore: %w", err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	return patternmatcher.New(patterns)
}

func sumFile(sum io.Writer, relative, path string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return nil
	}
	fmt.Fprintln(sum, relative, info.Mode(), info.Size())
	if !info.Mode().IsRegular() {
		return nil
	}
	content, err := os.Open(path)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(sum, content)
	return err
}
