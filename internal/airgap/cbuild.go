package airgap

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// cBuild compiles one C file of a Go module into a static executable.
type cBuild struct {
	Module  string // directory below airgap/modules
	Path    string // module path
	Source  string // in the module
	Name    string // of the executable
	Defines map[string]string
}

func (c cBuild) Inputs() any {
	return struct {
		cBuild
		Mod string
	}{c, digest(embedded("modules/" + c.Module)["module.mod"])}
}

func (c cBuild) Run(ctx context.Context, r *Run) error {
	src, err := unpackModule(filepath.Join(r.Temp, "src"), c.Module, "")
	if err != nil {
		return err
	}
	dir, err := moduleDir(ctx, src, c.Path, r)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return errors.New("gcc is not installed: run `apt-get install gcc libc6-dev`")
	}
	args := []string{"-Os", "-Wall", "-static", "-s", "-o", filepath.Join(r.Dir, c.Name)}
	for _, name := range sortedKeys(c.Defines) {
		args = append(args, "-D"+name+"="+c.Defines[name])
	}
	cmd := command(ctx, r.Temp, "gcc", append(args, filepath.Join(dir, filepath.FromSlash(c.Source)))...)
	cmd.Stdout, cmd.Stderr = r.Log, r.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compile %s: %w", c.Name, err)
	}
	return nil
}
