package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/testkit/executable"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/test/faults/matrix"
	"github.com/meshwright/meshwright/verify"
)

// labName is the lab's, of whatever stack.
const labName = "conformance"

// stepLimit bounds one command: a lab that takes longer will not come any more.
const stepLimit = 15 * time.Minute

// lab drives the executable.
type lab struct {
	*executable.Executable
	started time.Time
}

// result is what became of one stack.
type result struct {
	Stack    stack
	Failures []string // empty: it conforms

	Up, Verify, Destroy time.Duration
	Report              *report.Report
	Memory              []docker.Usage
	Local, Cross        latency
	Faults              []matrix.Row
	Restart             *restart
}

func (r *result) fail(format string, args ...any) {
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

// take takes a stack from nothing to nothing. What goes wrong is in the result;
// the lab is destroyed in any case.
func (l *lab) take(ctx context.Context, s stack, e extent) *result {
	r := &result{Stack: s}
	l.say(s, "up")
	document, took, err := l.up(ctx, s)
	r.Up = took
	if err == nil {
		err = l.examine(ctx, r, document, e)
	}
	if err != nil {
		r.fail("%v", err)
	}
	// Also after an interruption.
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepLimit)
	defer cancel()
	l.say(s, "destroy")
	out, err := l.meshwright(fresh, s, "destroy")
	r.Destroy = out.Took
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

// examine checks and measures a lab that is up, as far as the extent goes.
func (l *lab) examine(ctx context.Context, r *result, d *upDocument, e extent) error {
	if e.whole() || e.short {
		if err := l.check(ctx, r, e); err != nil || e.short {
			return err
		}
	}
	sites, err := l.sites(ctx, d)
	if err != nil {
		return err
	}
	defer closeSites(sites)
	if e.whole() {
		l.say(r.Stack, "measure")
		if r.Memory, err = l.memory(ctx, d); err != nil {
			return err
		}
		if r.Local, r.Cross, err = measureLatency(ctx, sites); err != nil {
			return err
		}
	}
	if r.Stack.restart && (e.whole() || e.restart) {
		if err := l.takeRestart(ctx, r, sites); err != nil {
			return err
		}
	}
	// Last: it renews pods that others know by name.
	if len(r.Stack.faults) > 0 && (e.whole() || e.faults) {
		if err := l.playFaults(ctx, r); err != nil {
			return fmt.Errorf("faults: %w", err)
		}
	}
	return nil
}

// takeRestart restarts the nodes and looks at what has become of the lab.
func (l *lab) takeRestart(ctx context.Context, r *result, sites []*site) (err error) {
	l.say(r.Stack, "restart of all nodes")
	if r.Restart, err = l.restartNodes(ctx, r.Stack, sites); err != nil {
		return fmt.Errorf("restart of the nodes: %w", err)
	}
	r.Failures = append(r.Failures, r.Restart.verdict()...)
	if _, err := l.meshwright(ctx, r.Stack, "preview", "--expect-no-changes"); err != nil {
		r.fail("preview after the restart: %v", err)
	}
	after, _, err := l.verify(ctx, r.Stack)
	if err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	r.judge("after the restart, ", after, quickChecks)
	return nil
}

// What a run of verify has to look at, by name: a check that is left out, whether by
// mistake or because it does not apply any more, conforms to nothing.
var (
	quickChecks = []string{verify.CheckControlPlane, verify.CheckTrust, verify.CheckDiscovery, verify.CheckConnectivity, verify.CheckNetworks}
	fullChecks  = append(slices.Clone(quickChecks), verify.CheckDistribution, verify.CheckFailover, verify.CheckMTLS)
)

// check runs the checks that belong to the extent.
func (l *lab) check(ctx context.Context, r *result, e extent) error {
	l.say(r.Stack, "verify")
	args, required := []string{"--full"}, fullChecks
	if e.short {
		args, required = nil, quickChecks
	}
	var err error
	if r.Report, r.Verify, err = l.verify(ctx, r.Stack, args...); err != nil {
		return err
	}
	r.judge("", r.Report, required)
	return nil
}

// judge takes over what a report finds wrong, and what it does not say.
func (r *result) judge(when string, got *report.Report, required []string) {
	for _, id := range required {
		switch c := got.Check(id); {
		case c == nil:
			r.fail("%scheck %s: it was not made", when, id)
		case c.Status != report.Passed && c.Status != report.Warned:
			r.fail("%scheck %s: %s %s: %s", when, id, c.Status, c.Reason, c.Summary)
		}
	}
	if got.Verdict != report.Pass {
		r.fail("%sthe verdict is %s", when, got.Verdict)
	}
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
		return nil, out.Took, err
	}
	var d upDocument
	if err := json.Unmarshal(out.Stdout, &d); err != nil {
		return nil, out.Took, fmt.Errorf("up --output json: %w", err)
	}
	return &d, out.Took, nil
}

// verify returns the report whether or not it is a good one. An exit code that does
// not go with its verdict is an error.
func (l *lab) verify(ctx context.Context, s stack, args ...string) (*report.Report, time.Duration, error) {
	out, err := l.meshwright(ctx, s, append([]string{"verify", "--output", "json"}, args...)...)
	report, err := reportOf(out.Stdout, err)
	return report, out.Took, err
}

// reportOf reads what verify printed; ended is the error of the command.
func reportOf(stdout []byte, ended error) (*report.Report, error) {
	var r report.Report
	if err := json.Unmarshal(stdout, &r); err != nil {
		return nil, errors.Join(ended, fmt.Errorf("verify --output json: %w", err))
	}
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(ended, &exit) {
		code = exit.ExitCode()
	} else if ended != nil {
		return nil, ended
	}
	if want := map[report.Verdict]int{report.Pass: 0, report.Fail: 3, report.Partial: 3}[r.Verdict]; code != want {
		return nil, errors.Join(fmt.Errorf("verify: verdict %q with exit code %d", r.Verdict, code), ended)
	}
	return &r, nil
}

// meshwright runs a command on the lab.
func (l *lab) meshwright(ctx context.Context, s stack, args ...string) (executable.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	args = append(args, "--stack", s.name, "--name", labName)
	if s.project != "" {
		args = append(args, "--project", s.project)
	}
	return l.Run(ctx, args...)
}

// nothingLeft looks for what a destroyed lab must not leave.
func (l *lab) nothingLeft(ctx context.Context) error {
	var errs []error
	containers, err := l.Docker.Containers(ctx, docker.Filter{})
	errs = append(errs, err)
	for _, c := range containers {
		if strings.HasPrefix(c.Name, labName+"-") {
			errs = append(errs, fmt.Errorf("container %s is left", c.Name))
		}
	}
	networks, err := l.Docker.Networks(ctx, map[string]string{"dev.meshwright.lab": labName})
	errs = append(errs, err)
	for _, n := range networks {
		errs = append(errs, fmt.Errorf("network %s is left", n.Name))
	}
	if _, err := os.Stat(l.LabDir(labName)); !os.IsNotExist(err) {
		errs = append(errs, fmt.Errorf("the lab's directory is left (%v)", err))
	}
	return errors.Join(errs...)
}

// say tells how the run goes on.
func (l *lab) say(s stack, what string) {
	fmt.Fprintf(os.Stderr, "%7.1f s  %-22s %s\n", time.Since(l.started).Seconds(), s.name, what)
}
