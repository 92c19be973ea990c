package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/testkit/executable"
)

func main() {
	short := flag.Bool("short", false, "up, the quick checks and destroy of the two mixtures, which hold every kind of pair of clusters; writes no report")
	restarts := flag.Bool("restart", false, "up, the restart and destroy of the stacks whose nodes are restarted; writes no report")
	faults := flag.Bool("faults", false, "up, the faults and destroy of the stacks that are broken on purpose; writes no report")
	only := flag.String("only", "", "take these stacks alone (comma-separated); writes no report unless -out is given too")
	out := flag.String("out", "", "report to write (default docs/conformance.md; if all conform, docs/models.md is brought up to date as well)")
	path := flag.String("meshwright", "bin/meshwright", "the executable to take them with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, extent{*short, *restarts, *faults}, *only, *out, *path); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, much extent, only, out, path string) error {
	chosen, err := choose(much, only)
	if err != nil {
		return err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return err
	}
	set, err := artifacts.Load(paths.Kit())
	if err != nil {
		return err
	}
	e, err := executable.New(path, client)
	if err != nil {
		return err
	}
	defer e.Close()
	l := &lab{Executable: e, started: time.Now()}
	var results []*result
	for _, s := range chosen {
		r := l.take(ctx, s, much)
		results = append(results, r)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	}
	fmt.Print("\n" + summary(results))
	if much.whole() && (only == "" || out != "") {
		title, err := title(ctx, set)
		if err != nil {
			return err
		}
		if err := writeReports(title, out, results); err != nil {
			return err
		}
	}
	var failed []string
	for _, r := range results {
		if len(r.Failures) > 0 {
			failed = append(failed, r.Stack.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d stacks do not conform: %s", len(failed), len(results), strings.Join(failed, ", "))
	}
	return nil
}

// extent is how much of a stack's life is taken: all of it, the quick checks, the
// restart of its nodes, or the faults.
type extent struct{ short, restart, faults bool }

// whole says that all of it is.
func (e extent) whole() bool { return e == extent{} }

// choose returns the stacks to take.
func choose(e extent, only string) ([]stack, error) {
	if only == "" {
		return slices.DeleteFunc(stacks(), func(s stack) bool {
			return e.short && !s.short || e.restart && !s.restart || e.faults && len(s.faults) == 0
		}), nil
	}
	var out []stack
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(stacks(), func(s stack) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: there is no such stack", name)
		}
		out = append(out, stacks()[i])
	}
	return out, nil
}
