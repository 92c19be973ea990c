package revision

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/process"
)

// keep is how many programs a cache holds: some 50 MB each.
const keep = 8

// flags are those of `make build`, as is what goCommand sets, so that the
// compiler's own cache, which has the dependencies, serves both.
var flags = []string{"-buildvcs=false", "-trimpath", "-ldflags=-s -w"}

// settings are the variables of `go env` that decide what a build gives.
var settings = []string{"GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "GOEXPERIMENT", "GOFLAGS"}

// Build compiles the Go program in dir, which lies in the checkout root, and
// returns the executable's path in cache. What was compiled from the same
// sources before is taken from there; its path is the same then.
func Build(ctx context.Context, root, dir, cache string) (string, error) {
	key, err := sources(ctx, root, dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, key)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // keeps it in the cache, no more
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(cache, ".new-")
	if err != nil {
		return "", err
	}
	tmp.Close()
	defer os.Remove(tmp.Name())
	// A go command that is interrupted leaves its work directory behind.
	work := root + ".go"
	if err := os.MkdirAll(work, 0o700); err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if _, err := goCommand(ctx, dir, []string{"GOTMPDIR=" + work}, slices.Concat([]string{"build", "-o", tmp.Name()}, flags, []string{"."})...); err != nil {
		return "", fmt.Errorf("the program does not compile: %w", err)
	}
	if err := errors.Join(os.Chmod(tmp.Name(), 0o700), os.Rename(tmp.Name(), path)); err != nil {
		return "", err
	}
	prune(cache)
	return path, nil
}

// sources identifies what a program is compiled from: the files of the checkout
// that it needs, the modules' versions and sums, and Go's settings.
func sources(ctx context.Context, root, dir string) (string, error) {
	h := sha256.New()
	env, err := goCommand(ctx, dir, nil, append([]string{"env"}, settings...)...)
	if err != nil {
		return "", err
	}
	h.Write(env)
	list, err := goCommand(ctx, dir, nil, "list", "-deps", "-json=Dir,Standard,GoFiles,CgoFiles,CFiles,HFiles,SFiles,EmbedFiles", ".")
	if err != nil {
		return "", fmt.Errorf("the program does not compile: %w", err)
	}
	// go names directories by their real path.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	var files []string
	for d := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			Dir                                                   string
			Standard                                              bool
			GoFiles, CgoFiles, CFiles, HFiles, SFiles, EmbedFiles []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		if rel, err := filepath.Rel(root, p.Dir); p.Standard || err != nil || !filepath.IsLocal(rel) {
			continue // what is not in the checkout is named by go.sum
		}
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles, p.CFiles, p.HFiles, p.SFiles, p.EmbedFiles) {
			files = append(files, filepath.Join(p.Dir, f))
		}
	}
	for at := dir; ; at = filepath.Dir(at) {
		for _, name := range []string{"go.mod", "go.sum", "go.work", "go.work.sum"} {
			if _, err := os.Stat(filepath.Join(at, name)); err == nil {
				files = append(files, filepath.Join(at, name))
			}
		}
		if at == root || at == filepath.Dir(at) {
			break
		}
	}
	slices.Sort(files)
	for _, f := range slices.Compact(files) {
		if err := hashFile(h, root, f); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

func hashFile(h hash.Hash, root, path string) error {
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%s\x00%d\x00", filepath.ToSlash(name), len(data))
	h.Write(data)
	return nil
}

// prune removes the programs that were not used for longest. One that is running
// keeps running.
func prune(cache string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return // a full cache is no failure
	}
	var all []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			all = append(all, info)
		}
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, old := range all[min(keep, len(all)):] {
		_ = os.Remove(filepath.Join(cache, old.Name()))
	}
}

func goCommand(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), []string{
		"PWD=" + dir, "CGO_ENABLED=" + cmp.Or(os.Getenv("CGO_ENABLED"), "0"), "GOGC=400", "GOMEMLIMIT=2GiB",
	}, env)
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := process.Run(cmd, syscall.SIGKILL) // with the compilers that it started
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("no go command: install Go, which compiles the program of every revision")
	}
	return nil, fmt.Errorf("go %s: %s", args[0], strings.TrimSpace(stderr.String()))
}
