package docker

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	absent := filepath.Join(t.TempDir(), "absent.sock")

	for name, tc := range map[string]struct {
		host, socket string
		answers      []string // hosts that answer; "" is the command's own choice
		want         string
		wantEnv      []string
		wantProbes   []string
		wantErr      error
	}{
		"DOCKER_HOST wins": {
			host: "tcp://ci:2375", socket: socket, answers: []string{"tcp://ci:2375", "", "unix://" + socket},
			want: "tcp://ci:2375", wantEnv: []string{"DOCKER_HOST=tcp://ci:2375"}, wantProbes: []string{"tcp://ci:2375"},
		},
		"a dead DOCKER_HOST is not replaced by another daemon": {
			host: "tcp://ci:2375", socket: socket, answers: []string{"", "unix://" + socket},
			wantProbes: []string{"tcp://ci:2375"}, wantErr: ErrUnreachable,
		},
		"the machine's own Docker before ours": {
			socket: socket, answers: []string{"", "unix://" + socket},
			want: "", wantProbes: []string{""},
		},
		"ours where there is no other": {
			socket: socket, answers: []string{"unix://" + socket},
			want: "unix://" + socket, wantEnv: []string{"DOCKER_HOST=unix://" + socket}, wantProbes: []string{"", "unix://" + socket},
		},
		"an absent socket is not probed": {
			socket: absent, wantProbes: []string{""}, wantErr: ErrUnreachable,
		},
		"none answers": {
			socket: socket, wantProbes: []string{"", "unix://" + socket}, wantErr: ErrUnreachable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var probes []string
			client, err := find(t.Context(), tc.host, tc.socket, func(_ context.Context, c *Client) error {
				probes = append(probes, c.Host())
				for _, host := range tc.answers {
					if host == c.Host() {
						return nil
					}
				}
				return ErrUnreachable
			})
			if !errors.Is(err, tc.wantErr) {
				t.Fatalf("error %v, want %v", err, tc.wantErr)
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
			if diff := cmp.Diff(tc.wantEnv, client.Env()); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
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
	kinds := map[string]error{"not found": ErrNotFound, "conflict": ErrConflict, "unreachable": ErrUnreachable}
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
		"inside":          {`sh: 1: kubectl: not found`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := error(&CommandError{Args: []string{"x"}, Stderr: tc.stderr, Err: errors.New("exit status 1")})
			var got []string
			for _, kind := range []string{"not found", "conflict", "unreachable"} {
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
