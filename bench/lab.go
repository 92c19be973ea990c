package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
)

// lab measures the executable, with a state directory of its own.
type lab struct {
	executable string
	state      string
	set        *artifacts.Set
	docker     []string
	// figures of a running lab by operation.
	figures map[string][]time.Duration
	// memory of each node in bytes, one figure for each run.
	memory map[string][]float64
	// timeline of the last run.
	timeline []timing
}

// timing is a resource's part of `up --output json`.
type timing struct {
	Type    string        `json:"type"`
	Name    string        `json:"name"`
	Start   time.Time     `json:"start"`
	Elapsed time.Duration `json:"elapsed"`
}

const labName = "mwbench"

func newLab(executable string, set *artifacts.Set, docker []string) (*lab, error) {
	state, err := os.MkdirTemp("", "mwbench-")
	if err != nil {
		return nil, err
	}
	executable, err = filepath.Abs(executable)
	return &lab{executable: executable, state: state, set: set, docker: docker, figures: map[string][]time.Duration{}, memory: map[string][]float64{}}, err
}

func (l *lab) close() { _ = os.RemoveAll(l.state) }

// fromNothing measures `up` until both versions answer in both clusters, then,
// outside that time, the operations on a running lab, and destroys it.
func (l *lab) fromNothing(ctx context.Context) (_ time.Duration, _ map[string]time.Duration, err error) {
	defer func() {
		took, derr := l.meshwright(context.WithoutCancel(ctx), nil, "destroy")
		if err == nil {
			l.figures["destroy"] = append(l.figures["destroy"], took)
		}
		err = errors.Join(err, derr)
	}()
	var out bytes.Buffer
	start := time.Now()
	up, err := l.meshwright(ctx, &out, "up", "--output", "json")
	if err != nil {
		return 0, nil, err
	}
	if err := l.bothAnswer(ctx); err != nil {
		return 0, nil, err
	}
	wall := time.Since(start)
	parts := map[string]time.Duration{"first answers": wall - up}
	var document struct{ Timeline []timing }
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		return 0, nil, fmt.Errorf("up --output json: %w", err)
	}
	l.timeline = document.Timeline
	for _, t := range document.Timeline {
		if part := partOf(t.Type, t.Name); part != "" {
			parts[part] += t.Elapsed
		}
	}
	for _, op := range []struct {
		name string
		args []string
	}{
		{"preview, nothing to do", []string{"preview", "--expect-no-changes"}},
		{"up, nothing to do", []string{"up", "--expect-no-changes"}},
		{"verify", []string{"verify"}},
	} {
		took, err := l.meshwright(ctx, nil, op.args...)
		if err != nil {
			return 0, nil, err
		}
		l.figures[op.name] = append(l.figures[op.name], took)
	}
	return wall, parts, l.measureMemory(ctx)
}

// measureMemory notes what each node uses, without the page cache.
func (l *lab) measureMemory(ctx context.Context) error {
	client, err := docker.Find(ctx)
	if err != nil {
		return err
	}
	usage, err := client.Memory(ctx)
	if err != nil {
		return err
	}
	for _, u := range usage {
		if strings.HasPrefix(u.Container, labName+"-") {
			l.memory[u.Container] = append(l.memory[u.Container], u.Bytes)
		}
	}
	return nil
}

// partOf sorts a resource into the steps of the article; "" leaves it out.
func partOf(kind, name string) string {
	switch {
	case kind == "meshwright:kind:Cluster":
		return "cluster"
	case strings.HasPrefix(kind, "tls:"):
		return "certificates"
	case strings.Contains(name, "metallb"):
		return "MetalLB"
	case strings.Contains(name, "watches"), strings.Contains(name, "reader"):
		return "remote secrets"
	case strings.Contains(name, "sample"), strings.Contains(name, "routes"):
		return "sample"
	case strings.HasSuffix(kind, ":Release"), strings.Contains(name, "istio"), strings.Contains(name, "gateway"):
		return "Istio"
	}
	return ""
}

func (l *lab) bothAnswer(ctx context.Context) error {
	kubeconfig := filepath.Join(l.state, "meshwright", "labs", labName, "kubeconfig")
	return bothAnswer(ctx, func(ctx context.Context, cluster string) ([]byte, error) {
		kubectl, err := l.set.BinaryPath("kubectl")
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, kubectl, "--kubeconfig", kubeconfig, "--context", cluster,
			"exec", "-n", "sample", "deploy/sleep", "-c", "sleep", "--", "curl", "-s", "helloworld.sample:5000/hello").Output()
	})
}

func (l *lab) meshwright(ctx context.Context, stdout *bytes.Buffer, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, l.executable, append(args, "--name", labName)...)
	cmd.Env = append(append(os.Environ(), "XDG_STATE_HOME="+l.state), l.docker...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("meshwright %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return time.Since(start), nil
}
