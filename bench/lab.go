package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/testkit/executable"
)

// lab measures the executable.
type lab struct {
	*executable.Executable
	set *artifacts.Set
	// figures are the durations of operations on a running lab, by operation.
	figures map[string][]time.Duration
	// memory of each node in bytes, one value for each run.
	memory map[string][]float64
	// timeline of the last run.
	timeline []timing
}

// timing is the timing of one resource in `up --output json`.
type timing struct {
	Type    string        `json:"type"`
	Name    string        `json:"name"`
	Start   time.Time     `json:"start"`
	Elapsed time.Duration `json:"elapsed"`
}

const labName = "mwbench"

func newLab(path string, set *artifacts.Set, client *docker.Client) (*lab, error) {
	e, err := executable.New(path, client)
	return &lab{Executable: e, set: set, figures: map[string][]time.Duration{}, memory: map[string][]float64{}}, err
}

// fromNothing measures `up` until both versions answer in both clusters. Outside that
// time it measures operations on the running lab, and destroys it.
func (l *lab) fromNothing(ctx context.Context) (_ time.Duration, _ map[string]time.Duration, err error) {
	defer func() {
		destroyed, derr := l.meshwright(context.WithoutCancel(ctx), "destroy")
		if err == nil {
			l.figures["destroy"] = append(l.figures["destroy"], destroyed.Took)
		}
		err = errors.Join(err, derr)
	}()
	start := time.Now()
	up, err := l.meshwright(ctx, "up", "--output", "json")
	if err != nil {
		return 0, nil, err
	}
	if err := l.bothAnswer(ctx); err != nil {
		return 0, nil, err
	}
	wall := time.Since(start)
	parts := map[string]time.Duration{"first answers": wall - up.Took}
	var document struct{ Timeline []timing }
	if err := json.Unmarshal(up.Stdout, &document); err != nil {
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
		{"up, nothing to do", []string{"up"}},
		{"verify", []string{"verify"}},
	} {
		done, err := l.meshwright(ctx, op.args...)
		if err != nil {
			return 0, nil, err
		}
		l.figures[op.name] = append(l.figures[op.name], done.Took)
	}
	return wall, parts, l.measureMemory(ctx)
}

// measureMemory records the memory of each node without the page cache.
func (l *lab) measureMemory(ctx context.Context) error {
	usage, err := l.Docker.Memory(ctx)
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

// partOf returns the step of the article to which a resource belongs, or "".
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
	return bothAnswer(ctx, func(ctx context.Context, cluster string) ([]byte, error) {
		kubectl, err := l.set.BinaryPath("kubectl")
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, kubectl, "--kubeconfig", l.Kubeconfig(labName), "--context", cluster,
			"exec", "-n", "sample", "deploy/sleep", "-c", "sleep", "--", "curl", "-s", "helloworld.sample:5000/hello").Output()
	})
}

func (l *lab) meshwright(ctx context.Context, args ...string) (executable.Result, error) {
	return l.Run(ctx, append(args, "--name", labName)...)
}
