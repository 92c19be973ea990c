package airgap

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/airgap"
	"github.com/meshwright/meshwright/internal/process"
)

// goBuild compiles Go programs. The module's requirements and checksums are the
// embedded module.mod and module.sum; with -mod=readonly the go command refuses
// whatever they do not cover, and it checks downloads against the checksum
// database as the machine is configured to.
type goBuild struct {
	// Toolchain is the compiler's version and target, from goToolchain.
	Toolchain string
	// Module is a directory below airgap/modules, or empty for a program that
	// needs the standard library alone.
	Module string
	// Program is a directory below airgap/programs whose sources are added to
	// the module, in a directory of the same name; empty for none.
	Program string `json:",omitempty"`
	// Packages maps an executable's name to the package it is built from.
	Packages map[string]string
	// Variables are set with the linker's -X.
	Variables map[string]string `json:",omitempty"`
}

func (b goBuild) Inputs() any {
	sources := map[string]string{}
	for _, dir := range b.trees() {
		for name, data := range embedded(dir) {
			sources[path.Join(dir, name)] = digest(data)
		}
	}
	return struct {
		goBuild
		Sources map[string]string
	}{b, sources}
}

func (b goBuild) trees() []string {
	var out []string
	if b.Module != "" {
		out = append(out, "modules/"+b.Module)
	}
	if b.Program != "" {
		out = append(out, "programs/"+b.Program)
	}
	return out
}

func (b goBuild) Run(ctx context.Context, r *Run) error {
	src, err := unpackModule(filepath.Join(r.Temp, "src"), b.Module, b.Program)
	if err != nil {
		return err
	}
	flags := []string{"-s", "-w"}
	for _, name := range sortedKeys(b.Variables) {
		flags = append(flags, "-X", name+"="+b.Variables[name])
	}
	for _, exe := range sortedKeys(b.Packages) {
		r.Update(exe)
		fmt.Fprintln(r.Log, "+ go build", b.Packages[exe])
		err := r.run(ctx, src, goEnv(), "go", "build", "-mod=readonly", "-trimpath", "-tags=airgap",
			"-ldflags="+strings.Join(flags, " "), "-o", filepath.Join(r.Dir, exe), b.Packages[exe])
		if err != nil {
			return fmt.Errorf("compile %s: %w", exe, err)
		}
	}
	return nil
}

// moduleFiles copies files out of Go modules, checked against module.sum.
type moduleFiles struct {
	Module string // directory below airgap/modules that requires Path
	Path   string // module path
	// Files maps a path in the result to a file or directory in the module.
	Files map[string]string
}

func (m moduleFiles) Inputs() any {
	return struct {
		moduleFiles
		Mod, Sum string
	}{m, digest(embedded("modules/" + m.Module)["module.mod"]), digest(embedded("modules/" + m.Module)["module.sum"])}
}

func (m moduleFiles) Run(ctx context.Context, r *Run) error {
	src, err := unpackModule(filepath.Join(r.Temp, "src"), m.Module, "")
	if err != nil {
		return err
	}
	dir, err := moduleDir(ctx, src, m.Path, r)
	if err != nil {
		return err
	}
	for _, to := range sortedKeys(m.Files) {
		if err := copyTree(filepath.Join(dir, filepath.FromSlash(m.Files[to])), filepath.Join(r.Dir, to)); err != nil {
			return fmt.Errorf("copy %s of %s: %w", m.Files[to], m.Path, err)
		}
	}
	return nil
}

// moduleDir downloads the version of a module that the module at src requires and
// returns its directory in the module cache.
func moduleDir(ctx context.Context, src, modulePath string, r *Run) (string, error) {
	for _, args := range [][]string{
		{"mod", "download", modulePath},
		{"list", "-mod=readonly", "-m", "-f", "{{.Dir}}", modulePath},
	} {
		cmd := command(ctx, src, "go", args...)
		cmd.Env = goEnv()
		cmd.Stderr = r.Log
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
		if dir := strings.TrimSpace(string(out)); dir != "" {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the go command reports no directory for %s", modulePath)
}

// unpackModule writes an embedded module, and a program's sources inside it, to
// dir. An empty module stands for the standard library alone.
func unpackModule(dir, module, program string) (string, error) {
	files := map[string][]byte{"go.mod": []byte("module meshwright.local/airgap/program\n\ngo 1.26.0\n")}
	if module != "" {
		for name, data := range embedded("modules/" + module) {
			// A directory that holds a go.mod cannot be embedded, hence the other names.
			switch name {
			case "module.mod":
				name = "go.mod"
			case "module.sum":
				name = "go.sum"
			}
			files[name] = data
		}
	}
	if program != "" {
		for name, data := range embedded("programs/" + program) {
			files[path.Join(program, name)] = data
		}
	}
	return dir, writeFiles(dir, files, func(string) os.FileMode { return 0o644 })
}

// embedded returns the files below a directory of the airgap tree by path inside
// it, Go tests left out.
func embedded(dir string) map[string][]byte {
	out := map[string][]byte{}
	err := fs.WalkDir(airgap.Files, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, "_test.go") {
			return err
		}
		data, err := airgap.Files.ReadFile(p)
		out[strings.TrimPrefix(p, dir+"/")] = data
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("airgap: embedded files: %v", err)) // part of the executable
	}
	return out
}

// goToolchain describes the compiler that will be used, for step keys.
func goToolchain(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64")
	cmd.Env = goEnv()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask the go command for its version: %w; install Go 1.26 or later and put it on PATH", err)
	}
	return strings.Join(strings.Fields(string(out)), " "), nil
}

// goEnv is the machine's own environment, and with it its module proxy and
// checksum database, less what would change the result. Collecting a compiler's
// garbage as usual costs a fifth of the time; none grows to the limit.
func goEnv() []string {
	drop := []string{"GOFLAGS", "GOWORK", "CGO_ENABLED", "GOOS", "GOARCH"}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(drop, name)
	})
	return append(env, "GOFLAGS=-buildvcs=false", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOGC=400", "GOMEMLIMIT=2GiB")
}

// run runs a command in dir, with its output in the log.
func (r *Run) run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := command(ctx, dir, name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, r.Log, r.Log
	return cmd.Run()
}

// command prepares a child that is ended as a whole process group when ctx is:
// compilers and installers have children.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = process.Group(syscall.SIGTERM)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
