package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// healthInterval is how often the engine is asked whether it still lives.
const healthInterval = 5 * time.Minute

// exitLogged is the exit status of a program that has told the engine of its
// error itself (the SDK's pulumi.Run).
const exitLogged = 32

// host implements Pulumi's LanguageRuntime service.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine  string // address
	binary  string // from the command line; a project's own option comes first
	version string
}

func (h *host) Handshake(context.Context, *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: h.version}, nil
}

// GetRequiredPackages names none: providers are found when a resource asks for
// one, in the version that its SDK carries.
func (h *host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("find the go command: %w", err)
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("go version: %w", err)
	}
	return &pulumirpc.AboutResponse{Executable: path, Version: strings.TrimSpace(string(out))}, nil
}

func (h *host) GetProgramDependencies(ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest) (*pulumirpc.GetProgramDependenciesResponse, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-mod=readonly", "-m", "-f", "{{if not .Main}}{{if .Indirect}}-{{else}}+{{end}} {{.Path}} {{.Version}}{{end}}", "all")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the program's modules: %w", err)
	}
	return &pulumirpc.GetProgramDependenciesResponse{Dependencies: modules(string(out), req.GetTransitiveDependencies())}, nil
}

// modules reads lines of "+ path version" for direct dependencies and "- path
// version" for indirect ones.
func modules(list string, indirect bool) []*pulumirpc.DependencyInfo {
	var out []*pulumirpc.DependencyInfo
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		if len(f) == 3 && (f[0] == "+" || indirect) {
			out = append(out, &pulumirpc.DependencyInfo{Name: f[1], Version: f[2]})
		}
	}
	return out
}

func (h *host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer) error {
	cmd := exec.CommandContext(stream.Context(), "go", "mod", "download")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	var mu sync.Mutex
	cmd.Stdout = sender(&mu, func(p []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: p}) })
	cmd.Stderr = sender(&mu, func(p []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stderr: p}) })
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	return nil
}

// Run runs a program to its end.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	program, remove, err := h.program(ctx, req.GetInfo(), req.GetPwd(), os.Stderr)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	defer remove()
	env, err := h.environment(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, req.GetArgs()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir = req.GetPwd()
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == exitLogged:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program failed: %v", err)}, nil
	}
}

// environment is how the SDK's pulumi.Run learns of its deployment.
func (h *host) environment(req *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(req.GetConfigSecretKeys())
	if err != nil {
		return nil, err
	}
	return []string{
		pulumi.EnvOrganization + "=" + req.GetOrganization(),
		pulumi.EnvProject + "=" + req.GetProject(),
		pulumi.EnvStack + "=" + req.GetStack(),
		pulumi.EnvPulumiRootDirectory + "=" + req.GetInfo().GetRootDirectory(),
		pulumi.EnvConfig + "=" + string(config),
		pulumi.EnvConfigSecretKeys + "=" + string(secrets),
		pulumi.EnvDryRun + "=" + strconv.FormatBool(req.GetDryRun()),
		pulumi.EnvParallel + "=" + strconv.Itoa(int(req.GetParallel())),
		pulumi.EnvMonitor + "=" + req.GetMonitorAddress(),
		pulumi.EnvEngine + "=" + h.engine,
	}, nil
}

// program finds or compiles the executable of a program: the project's option
// `binary` names one, otherwise its directory is compiled. remove takes a compiled
// one away.
func (h *host) program(ctx context.Context, info *pulumirpc.ProgramInfo, pwd string, log io.Writer) (path string, remove func(), err error) {
	keep := func() {}
	binary := h.binary
	if v := info.GetOptions().GetFields()["binary"].GetStringValue(); v != "" {
		binary = v
	}
	if binary != "" {
		if strings.ContainsRune(binary, filepath.Separator) && !filepath.IsAbs(binary) {
			binary = filepath.Join(pwd, binary)
		}
		found, err := exec.LookPath(binary)
		if err != nil {
			return "", keep, fmt.Errorf("the project's program: %w; build it before `pulumi` runs it", err)
		}
		return found, keep, nil
	}
	temp, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return "", keep, err
	}
	remove = func() { os.RemoveAll(temp) }
	target := info.GetEntryPoint()
	if target == "" || filepath.IsAbs(target) {
		target = "."
	}
	path = filepath.Join(temp, "program")
	var failure bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./"+filepath.Clean(target))
	cmd.Dir = info.GetProgramDirectory()
	cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, &failure)
	if err := cmd.Run(); err != nil {
		remove()
		return "", keep, fmt.Errorf("compile the program: %w\n%s", err, failure.String())
	}
	return path, remove, nil
}

// RunPlugin runs a plugin written in Go, such as a policy pack, until it ends.
func (h *host) RunPlugin(req *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	ctx := stream.Context()
	var mu sync.Mutex
	stderr := sender(&mu, func(p []byte) error {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: p}})
	})
	program, remove, err := h.program(ctx, req.GetInfo(), req.GetPwd(), stderr)
	if err != nil {
		return err
	}
	defer remove()
	cmd := exec.CommandContext(ctx, program, req.GetArgs()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir, cmd.Env = req.GetPwd(), req.GetEnv()
	cmd.Stderr = stderr
	cmd.Stdout = sender(&mu, func(p []byte) error {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: p}})
	})
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{
			Exitcode: int32(exit.ExitCode()), //nolint:gosec // an exit status
		}})
	}
	return err
}

// sender is a writer that passes on copies, one at a time: a stream must not be
// written to by two goroutines.
func sender(mu *sync.Mutex, send func([]byte) error) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		if err := send(bytes.Clone(p)); err != nil {
			return 0, err
		}
		return len(p), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
