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

	"github.com/meshwright/meshwright/automation/verify"
	"github.com/meshwright/meshwright/internal/docker"
)

// labName is the lab's, of whatever stack.
const labName = "conformance"

// stepLimit bounds one command: a lab that takes longer will not come any more.
const stepLimit = 15 * time.Minute

// lab drives the executable, with a state directory of its own.
type lab struct {
	executable string
	state      string
	docker     *docker.Client
	full       bool // verify knows --full
	started    time.Time
}

// result is what became of one stack.
type result struct {
	Stack    stack
	Failures []string // empty: it conforms

	Up, Verify, Destroy time.Duration
	Report              *verify.Report
	Memory              []docker.Usage
	Local, Cross        latency
	Restart             *restart
}

func (r *result) fail(format string, args ...any) {
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

// take takes a stack from nothing to nothing. What goes wrong is in the result;
// the lab is destroyed in any case.
func (l *lab) take(ctx context.Context, s stack, short bool) *result {
	r := &result{Stack: s}
	l.say(s, "up")
	document, took, err := l.up(ctx, s)
	r.Up = took
	if err == nil {
		err = l.examine(ctx, r, document, short)
	}
	if err != nil {
		r.fail("%v", err)
	}
	// Also after an interruption.
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepLimit)
	defer cancel()
	l.say(s, "destroy")
	out, err := l.meshwright(fresh, s, "destroy")
	r.Destroy = out.took
	if err != nil {
		r.fail("%v", err)
	}
	if err := l.nothingLeft(fresh); err != nil {
		r.fail("after destroy: %v", err)
	}
	for _, f := range r.Failures {
		l.say(s, "FAILED: "+f)
	}
	return r
}

// examine checks and measures a lab that is up.
func (l *lab) examine(ctx context.Context, r *result, d *upDocument, short bool) error {
	l.say(r.Stack, "verify")
	args := []string{"verify"}
	switch {
	case short:
		args = append(args, "--only", strings.Join([]string{
			verify.CheckPlanes, verify.CheckTrust, verify.CheckDiscovery, verify.CheckCalls, verify.CheckNetworks,
		}, ","))
	case l.full:
		args = append(args, "--full")
	}
	report, took, err := l.verify(ctx, r.Stack, args...)
	r.Report, r.Verify = report, took
	if err != nil {
		return err
	}
	for _, c := range report.Checks {
		if c.Status == verify.Failed {
			r.fail("check %s: %s: %s", c.ID, c.Reason, c.Summary)
		}
	}
	if short {
		return nil
	}
	sites, err := l.sites(ctx, d)
	if err != nil {
		return err
	}
	defer closeSites(sites)
	l.say(r.Stack, "measure")
	if r.Memory, err = l.memory(ctx, d); err != nil {
		return err
	}
	if r.Local, r.Cross, err = measureLatency(ctx, sites); err != nil {
		return err
	}
	if !r.Stack.restart {
		return nil
	}
	l.say(r.Stack, "restart of all nodes")
	if r.Restart, err = l.restartNodes(ctx, r.Stack, sites); err != nil {
		return fmt.Errorf("restart of the nodes: %w", err)
	}
	r.Failures = append(r.Failures, r.Restart.verdict()...)
	if _, err := l.meshwright(ctx, r.Stack, "preview", "--expect-no-changes"); err != nil {
		r.fail("preview after the restart: %v", err)
	}
	after, _, err := l.verify(ctx, r.Stack, "verify")
	if err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	for _, c := range after.Checks {
		if c.Status == verify.Failed {
			r.fail("after the restart, check %s: %s: %s", c.ID, c.Reason, c.Summary)
		}
	}
	return nil
}

// upDocument is what `up --output json` says.
type upDocument struct {
	Clusters []struct {
		Name, Network, ControlPlane, IngressAddress, EastWestAddress string
		Nodes                                                        []string
	}
}

func (l *lab) up(ctx context.Context, s stack) (*upDocument, time.Duration, error) {
	out, err := l.meshwright(ctx, s, "up", "--output", "json")
	if err != nil {
		return nil, out.took, err
	}
	var d upDocument
	if err := json.Unmarshal(out.stdout, &d); err != nil {
		return nil, out.took, fmt.Errorf("up --output json: %w", err)
	}
	return &d, out.took, nil
}

// verify returns the report whether or not it is a good one.
func (l *lab) verify(ctx context.Context, s stack, args ...string) (*verify.Report, time.Duration, error) {
	out, err := l.meshwright(ctx, s, append(args, "--output", "json")...)
	var report verify.Report
	if derr := json.Unmarshal(out.stdout, &report); derr != nil {
		return nil, out.took, errors.Join(err, fmt.Errorf("verify --output json: %w", derr))
	}
	return &report, out.took, nil
}

// output is what a command left behind.
type output struct {
	stdout []byte
	took   time.Duration
}

// meshwright runs the executable on the lab.
func (l *lab) meshwright(ctx context.Context, s stack, args ...string) (output, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	args = append(args, "--stack", s.name, "--name", labName)
	if s.project != "" {
		args = append(args, "--project", s.project)
	}
	cmd := exec.CommandContext(ctx, l.executable, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Env = append(append(os.Environ(), "XDG_STATE_HOME="+l.state, "KUBECONFIG="+filepath.Join(l.state, "no-kubeconfig"), "NO_COLOR=1"), l.docker.Env()...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	out := output{stdout: stdout.Bytes(), took: time.Since(began)}
	if err != nil {
		err = fmt.Errorf("meshwright %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out, err
}

// hasFlag reports whether a command of the executable knows a flag.
func (l *lab) hasFlag(ctx context.Context, command, flag string) (bool, error) {
	out, err := exec.CommandContext(ctx, l.executable, command, "--help").Output()
	if err != nil {
		return false, fmt.Errorf("%s %s --help: %w; run `make build`", l.executable, command, err)
	}
	return bytes.Contains(out, []byte(flag+" ")), nil
}

// kubeconfig is the lab's merged file, a context per cluster.
func (l *lab) kubeconfig() string {
	return filepath.Join(l.state, "meshwright", "labs", labName, "kubeconfig")
}

// nothingLeft looks for what a destroyed lab must not leave.
func (l *lab) nothingLeft(ctx context.Context) error {
	var errs []error
	containers, err := l.docker.Containers(ctx, docker.Filter{})
	errs = append(errs, err)
	for _, c := range containers {
		if strings.HasPrefix(c.Name, labName+"-") {
			errs = append(errs, fmt.Errorf("container %s is left", c.Name))
		}
	}
	networks, err := l.docker.Networks(ctx, map[string]string{"dev.meshwright.lab": labName})
	errs = append(errs, err)
	for _, n := range networks {
		errs = append(errs, fmt.Errorf("network %s is left", n.Name))
	}
	if _, err := os.Stat(filepath.Join(l.state, "meshwright", "labs", labName)); !os.IsNotExist(err) {
		errs = append(errs, fmt.Errorf("the lab's directory is left (%v)", err))
	}
	return errors.Join(errs...)
}

// say tells how the run goes on.
func (l *lab) say(s stack, what string) {
	fmt.Fprintf(os.Stderr, "%7.1f s  %-22s %s\n", time.Since(l.started).Seconds(), s.name, what)
}
