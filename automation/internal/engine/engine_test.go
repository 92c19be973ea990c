package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is an engine whose every command is a shell script.
func scripted(t *testing.T, script string) *Engine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pulumi")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return &Engine{path: path, Log: slog.New(slog.DiscardHandler)}
}

func (e *Engine) try(ctx context.Context, t *testing.T, args ...string) (string, error) {
	t.Helper()
	stdout, _, _, err := e.Run(ctx, t.TempDir(), nil, nil, nil, nil, args...)
	return stdout, err
}

// TestLateOutput: what arrives after the engine's end is part of the answer.
func TestLateOutput(t *testing.T) {
	t.Parallel()
	out, err := scripted(t, "(sleep 1.2; echo late) & echo early").try(t.Context(), t, "stack", "ls")
	if err != nil || out != "early\nlate\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestFailureTellsNoSecrets: the Automation API repeats in its errors what a
// command printed.
func TestFailureTellsNoSecrets(t *testing.T) {
	t.Parallel()
	e := scripted(t, "echo hunter22; exit 1")
	for _, args := range [][]string{{"stack", "output", "--json", "--show-secrets"}, {"stack", "export", "--show-secrets"}} {
		if out, err := e.try(t.Context(), t, args...); err == nil || out != "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	if out, err := e.try(t.Context(), t, "up"); err == nil || out == "" {
		t.Errorf("of other commands it is kept: %q, %v", out, err)
	}
}

// TestCancelledWithOutputHeldOpen: not even a process that leaves the engine's
// group keeps Run beyond five seconds, which the graces add up to; a busy machine
// takes what it takes on top, and drainGrace would be half a minute.
func TestCancelledWithOutputHeldOpen(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer release.Close()
	defer fmt.Fprintln(release)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	began := time.Now()
	_, err = scripted(t, "setsid sh -c 'read x < "+fifo+"' & exec sleep 60").try(ctx, t, "up")
	if graces := interruptGrace + 2*terminateGrace; graces > 5*time.Second {
		t.Errorf("it may take %s", graces)
	}
	if took := time.Since(began); took > 10*time.Second || !errors.Is(err, context.Canceled) {
		t.Errorf("after %s: %v", took, err)
	}
}

func TestEngineErrorsAreShort(t *testing.T) {
	const printed = "\ncode: 255\nstdout: a lot\nof text\nstderr: "
	for text, want := range map[string]string{
		"failed to run update: exit status 255" + printed + "error: no such stack\n\n": "no such stack",
		"could not get outputs: exit status 1" + printed + "\n":                        "could not get outputs: exit status 1",
		"something else": "something else",
	} {
		cause := errors.New(text)
		if got := Readable(fmt.Errorf("%w", cause)); got.Error() != want || !errors.Is(got, cause) {
			t.Errorf("%s\nbecame %q, want %q", strings.ReplaceAll(text, "\n", " "), got, want)
		}
	}
}

func TestCleanEnv(t *testing.T) {
	got := cleanEnv([]string{"PATH=/bin", "PULUMI_STACK=x", "PULUMI_ACCESS_TOKEN=t", "HOME=/h"}, "PULUMI_")
	if diff := cmp.Diff([]string{"PATH=/bin", "HOME=/h"}, got); diff != "" {
		t.Error(diff)
	}
}
