package docker

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/report"
)

func TestFind(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	absent := filepath.Join(t.TempDir(), "absent.sock")

	const standard = "unix:///var/run/docker.sock"
	for name, tc := range map[string]struct {
		choice     choice
		socket     string
		answers    []string // hosts that answer
		denied     string   // the host that this user may not use
		want       string
		wantProbes []string
		wantErr    error
		wantText   string // in the error
	}{
		"DOCKER_HOST wins": {
			choice: choice{"tcp://127.0.0.1:2375", "DOCKER_HOST"}, socket: socket, answers: []string{"tcp://127.0.0.1:2375", standard, "unix://" + socket},
			want: "tcp://127.0.0.1:2375", wantProbes: []string{"tcp://127.0.0.1:2375"},
		},
		"a dead DOCKER_HOST is not replaced by another daemon": {
			choice: choice{"unix:///dead", "DOCKER_HOST"}, socket: socket, answers: []string{standard, "unix://" + socket},
			wantProbes: []string{"unix:///dead"}, wantErr: ErrUnreachable, wantText: "chosen by DOCKER_HOST",
		},
		"nor is a dead context": {
			choice: choice{"unix:///dead", "the Docker context x"}, socket: socket, answers: []string{standard, "unix://" + socket},
			wantProbes: []string{"unix:///dead"}, wantErr: ErrUnreachable, wantText: "chosen by the Docker context x",
		},
		"a remote daemon is not asked": {
			choice: choice{"tcp://ci:2375", "DOCKER_HOST"}, socket: socket, answers: []string{"tcp://ci:2375"},
			wantErr: ErrRemote, wantText: "tcp://ci:2375, by DOCKER_HOST",
		},
		"nor one behind ssh": {
			choice: choice{"ssh://user@localhost", "the Docker context x"}, answers: []string{"ssh://user@localhost"}, wantErr: ErrRemote,
		},
		"the machine's own Docker before ours": {
			choice: choice{Host: standard}, socket: socket, answers: []string{standard, "unix://" + socket},
			want: standard, wantProbes: []string{standard},
		},
		"ours where there is no other": {
			choice: choice{Host: standard}, socket: socket, answers: []string{"unix://" + socket},
			want: "unix://" + socket, wantProbes: []string{standard, "unix://" + socket},
		},
		"an absent socket is not probed": {
			choice: choice{Host: standard}, socket: absent, wantProbes: []string{standard}, wantErr: ErrUnreachable,
		},
		"none answers": {
			choice: choice{Host: standard}, socket: socket, wantProbes: []string{standard, "unix://" + socket}, wantErr: ErrUnreachable, wantText: "at " + standard,
		},
		"the one that this user may not use is the cause": {
			choice: choice{Host: standard}, socket: socket, denied: "unix://" + socket,
			wantProbes: []string{standard, "unix://" + socket}, wantErr: ErrUnreachable, wantText: "permission denied at unix://" + socket,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var probes []string
			client, err := find(t.Context(), func(context.Context) (choice, error) { return tc.choice, nil }, tc.socket, func(_ context.Context, c *Client) error {
				probes = append(probes, c.Host())
				switch {
				case slices.Contains(tc.answers, c.Host()):
					return nil
				case c.Host() == tc.denied:
					return fmt.Errorf("%w: permission denied at %s", ErrUnreachable, c.Host())
				}
				return fmt.Errorf("%w: at %s", ErrUnreachable, c.Host())
			})
			if !errors.Is(err, tc.wantErr) || err != nil && !strings.Contains(err.Error(), tc.wantText) {
				t.Fatalf("error %v, want %v with %q", err, tc.wantErr, tc.wantText)
			}
			if diff := cmp.Diff(tc.wantProbes, probes); diff != "" {
				t.Errorf("probes (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			if client.Host() != tc.want {
				t.Errorf("host %q, want %q", client.Host(), tc.want)
			}
			if diff := cmp.Diff([]string{"DOCKER_HOST=" + tc.want}, client.Env()); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

// TestChoose asks the real command, with a configuration that has a context.
func TestChoose(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("no docker command")
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput(); err != nil {
			t.Fatalf("docker %v: %v: %s", args, err, out)
		}
	}
	run("context", "create", "one", "--docker", "host=unix:///one.sock")
	run("context", "create", "two", "--docker", "host=ssh://two")
	expect := func(want choice) {
		t.Helper()
		if got, err := choose(t.Context()); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	expect(choice{Host: "unix:///var/run/docker.sock"})
	run("context", "use", "one")
	expect(choice{"unix:///one.sock", "the Docker context one"})
	t.Setenv("DOCKER_CONTEXT", "two")
	expect(choice{"ssh://two", "the Docker context two"})
	t.Setenv("DOCKER_HOST", "localhost:2375") // before DOCKER_CONTEXT, in the command's spelling
	expect(choice{"tcp://localhost:2375", "DOCKER_HOST"})
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "no-such")
	if _, err := choose(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a context that does not exist: %v", err)
	}
}

func TestRemedy(t *testing.T) {
	down := fmt.Errorf("%w: down", ErrUnreachable)
	chosen := func(host string) error { return &chosenError{host, "DOCKER_HOST", down} }
	units := []string{"run/systemd/system/x", "usr/lib/systemd/system/docker.service"}
	const debian = "etc/debian_version"
	for name, tc := range map[string]struct {
		err   error
		files []string
		uid   int
		goos  string // "" is linux
		want  string
	}{
		"root on Debian":              {err: down, files: []string{debian}, want: "set-up"},
		"not root":                    {err: down, files: []string{debian}, uid: 1000, want: "sudo apt-get install -y docker.io"},
		"not Debian":                  {err: down, want: "install Docker and start it"},
		"a Mac":                       {err: down, uid: 501, goos: "darwin", want: "open -a Docker"},
		"not in the group":            {err: fmt.Errorf("%w: permission denied while trying to connect", ErrUnreachable), files: append(units, debian), uid: 1000, want: "usermod -aG docker"},
		"stopped under systemd":       {err: down, files: append(units, debian), want: "sudo systemctl start docker"},
		"systemd, not installed":      {err: down, files: []string{debian, units[0]}, want: "set-up"},
		"no command":                  {err: ErrNoCommand, files: []string{debian}, want: "set-up"},
		"the user's choice":           {err: chosen("unix:///x"), files: append(units, debian), want: "another than DOCKER_HOST"},
		"the one that set-up started": {err: chosen("unix://" + paths.DockerSocket), files: []string{debian}, want: "set-up"},
		"a daemon of another machine": {err: fmt.Errorf("%w: tcp://ci", ErrRemote), files: []string{debian}, want: "unset DOCKER_HOST"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, file := range tc.files {
				path := filepath.Join(root, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			r := Machine{Root: root, UID: tc.uid, OS: stdcmp.Or(tc.goos, "linux")}.Remedy(tc.err)
			if got := r.String(); (r.Operation == report.OperationSetup) != (tc.want == "set-up") || tc.want != "set-up" && !strings.Contains(got, tc.want) {
				t.Errorf("%q (%s), want %q", got, r.Operation, tc.want)
			}
		})
	}
}

// TestPingNobody runs the real command against a socket on which nobody listens.
func TestPingNobody(t *testing.T) {
	_, err := New("unix://" + filepath.Join(t.TempDir(), "absent.sock")).Ping(t.Context())
	if !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrNoCommand) {
		t.Errorf("error %v, want ErrUnreachable or, without the command, ErrNoCommand", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := New("").Ping(t.Context()); !errors.Is(err, ErrNoCommand) {
		t.Errorf("error %v, want ErrNoCommand", err)
	}
}

func TestCommandErrorIs(t *testing.T) {
	kinds := map[string]error{"not found": ErrNotFound, "conflict": ErrConflict, "unreachable": ErrUnreachable, "no file": ErrNoFile}
	for name, tc := range map[string]struct {
		stderr string
		want   []string
	}{
		"container":       {`Error response from daemon: No such container: x`, []string{"not found"}},
		"network":         {`Error response from daemon: network x not found`, []string{"not found"}},
		"network inspect": {`Error: No such network: x`, []string{"not found"}},
		"image":           {`Error response from daemon: No such image: x:latest`, []string{"not found"}},
		"name taken":      {`Error response from daemon: network with name x already exists`, []string{"conflict"}},
		"container name":  {`Error response from daemon: Conflict. The container name "/x" is already in use by container "1"`, []string{"conflict"}},
		"range taken":     {`Error response from daemon: Pool overlaps with other one on this address space`, []string{"conflict"}},
		"in use":          {`Error response from daemon: error while removing network: network x id 1 has active endpoints`, []string{"conflict"}},
		"image in use":    {`Error response from daemon: conflict: unable to remove repository reference "x" (must force)`, []string{"conflict"}},
		"no daemon":       {`Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?`, []string{"unreachable"}},
		"not allowed":     {`permission denied while trying to connect to the Docker daemon socket`, []string{"unreachable"}},
		"no file":         {`Error: No such container:path: x:/etc/y`, []string{"no file"}},
		"no file, newer":  {`Error response from daemon: Could not find the file /etc/y in container x`, []string{"no file"}},
		"inside":          {`sh: 1: kubectl: not found`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := error(&CommandError{Args: []string{"x"}, Stderr: tc.stderr, Err: errors.New("exit status 1")})
			var got []string
			for _, kind := range []string{"not found", "no file", "conflict", "unreachable"} {
				if errors.Is(err, kinds[kind]) {
					got = append(got, kind)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}
