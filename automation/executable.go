package automation

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/internal/provider/kind"
)

// findExecutable looks for a meshwright command of this version: on PATH, then
// in the kit. It is never the executable of this process: started as a
// child, a program that embeds the driver would run itself.
func findExecutable(ctx context.Context, kitDir string) string {
	var candidates []string
	if path, err := exec.LookPath("meshwright"); err == nil {
		candidates = append(candidates, path)
	}
	candidates = append(candidates, filepath.Join(kitDir, "bin", "meshwright"))
	for _, path := range candidates {
		path, err := filepath.Abs(path)
		if err == nil && engine.Executable(path) && !isSelf(path) && kind.Fits(ctx, path) {
			return path
		}
	}
	return ""
}

func isSelf(path string) bool {
	self, err := os.Executable()
	if err != nil {
		return false
	}
	a, err := os.Stat(self)
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
