package backend

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"

	"github.com/meshwright/meshwright/automation/internal/workspace"
)

// URL is that of a local backend, a directory. The engine parses it, and would take
// these characters of a path for something else.
func URL(dir string) string {
	return "file://" + strings.NewReplacer("%", "%25", "#", "%23", "?", "%3F").Replace(dir)
}

// File is where a local backend, a directory, keeps a stack that the driver wrote.
func File(dir, stack string) string {
	return filepath.Join(dir, ".pulumi", "stacks", workspace.Project, stack+".json")
}

// forms are what the engine appends to File, as the user's settings of the pulumi
// command ask for.
var forms = []string{"", encoding.GZIPExt, encoding.ZSTDExt}

// Find returns the file in which a local backend keeps a stack, by the engine's rule:
// the newest of the forms in which it writes one. Without any, which does not say that
// there is no such stack, the error is fs.ErrNotExist.
func Find(dir, stack string) (string, error) {
	var found string
	var newest fs.FileInfo
	for _, form := range forms {
		path := File(dir, stack) + form
		info, err := os.Stat(path)
		switch {
		case os.IsNotExist(err):
		case err != nil:
			return "", err
		case newest == nil || !info.ModTime().Before(newest.ModTime()):
			found, newest = path, info
		}
	}
	if found == "" {
		return "", fmt.Errorf("stack %s in %s: %w", stack, dir, fs.ErrNotExist)
	}
	return found, nil
}

// ReadLocal reads the snapshot of a stack of a local backend, much faster than the
// CLI does. It is empty for a stack that was never updated. See Find for the errors.
func ReadLocal(dir, stack string) (Snapshot, error) {
	path, err := Find(dir, stack)
	if err != nil {
		return Snapshot{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Snapshot{}, err
	}
	var file struct {
		Checkpoint struct {
			Latest Snapshot `json:"latest"`
		} `json:"checkpoint"`
	}
	if err := encoding.Compress(encoding.JSON, encoding.DetectCompression(data)).Unmarshal(data, &file); err != nil {
		return Snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	return file.Checkpoint.Latest, nil
}
