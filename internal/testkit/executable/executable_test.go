package executable

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/process"
)

// script is an executable whose commands run the lines of a shell script.
func script(t *testing.T, lines string) *Executable {
	t.Helper()
	path := filepath.Join(t.TempDir(), "meshwright")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	e, err := New(path, docker.New("tcp://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestRun(t *testing.T) {
	t.Setenv("KUBECONFIG", "/the/user's")
	e := script(t, `echo "$@" "$XDG_STATE_HOME" "$KUBECONFIG" "$DOCKER_HOST"`)
	r, err := e.Run(t.Context(), "up", "--name", "x")
	want := "up --name x " + e.State + " " + e.State + "/no-kubeconfig tcp://127.0.0.1:1\n"
	if err != nil || string(r.Stdout) != want || r.Took <= 0 {
		t.Errorf("%q after %v, %v; want %q", r.Stdout, r.Took, err, want)
	}
}

func TestRunThatFails(t *testing.T) {
	r, err := script(t, "echo a report; echo the reason >&2; exit 3").Run(t.Context(), "verify")
	if err == nil || !strings.Contains(err.Error(), "meshwright verify: exit status 3\nthe reason") || string(r.Stdout) != "a report\n" {
		t.Errorf("%q, %v", r.Stdout, err)
	}
}

// TestInterrupt: a command whose time is over cleans up.
func TestInterrupt(t *testing.T) {
	e := script(t, `trap 'echo cleaned up; exit 130' INT
: > "$XDG_STATE_HOME/up"
while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for t.Context().Err() == nil {
			if _, err := os.Stat(filepath.Join(e.State, "up")); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if r, err := e.Run(ctx, "up"); err == nil || string(r.Stdout) != "cleaned up\n" {
		t.Errorf("%q, %v", r.Stdout, err)
	}
}

func TestNewSaysHowToBuild(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "meshwright"), docker.New("")); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Error(err)
	}
}

// TestNewTakesDownWhatKilledRunsLeft: labs in a state directory whose run has ended are
// destroyed, those of a run that lives are not touched.
func TestNewTakesDownWhatKilledRunsLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const lines = `echo "$@" >> "$XDG_STATE_HOME/../calls"`
	living, killed := script(t, lines), script(t, lines)
	for _, e := range []*Executable{living, killed} {
		if err := os.MkdirAll(e.LabDir("plain"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	process.Unlock(killed.lock)
	script(t, lines)
	calls, err := os.ReadFile(filepath.Join(os.TempDir(), "calls"))
	if err != nil || string(calls) != "destroy --name plain\n" {
		t.Errorf("%q, %v", calls, err)
	}
	if _, err := os.Stat(killed.State); !os.IsNotExist(err) {
		t.Errorf("the killed run's directory is still there: %v", err)
	}
	if _, err := os.Stat(living.LabDir("plain")); err != nil {
		t.Error(err)
	}
}

// TestNewKeepsWhatItCannotTakeDown: a lab that is still there keeps its state.
func TestNewKeepsWhatItCannotTakeDown(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	killed := script(t, "exit 1")
	if err := os.MkdirAll(killed.LabDir("plain"), 0o700); err != nil {
		t.Fatal(err)
	}
	process.Unlock(killed.lock)
	if _, err := New(killed.Path, killed.Docker); err == nil || !strings.Contains(err.Error(), killed.State) {
		t.Errorf("%v, want one that names %s", err, killed.State)
	}
	if _, err := os.Stat(killed.LabDir("plain")); err != nil {
		t.Error(err)
	}
}
