// Package diff says what a change of a project does to its stacks, without Docker, a
// cluster or any state. It owns the checkouts of both revisions, their compiled
// programs and their run against simulated providers; the report is the business of
// package changes, and what is up that of package automation.
package diff

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/revision"
	"github.com/meshwright/meshwright/report"
)

// Options choose what to compare. The zero value compares the working tree
// with its merge base with the default branch, for every stack.
type Options struct {
	// Revisions is "base..head", "base...head" (from their merge base), "base"
	// (to the working tree), or empty (from HEAD's merge base with the default
	// branch to the working tree).
	Revisions string
	// Stacks restricts the comparison to these. Default: every stack that has
	// settings in either revision.
	Stacks []string
	// ProjectDir holds Pulumi.yaml and lies in a Git repository. Default: the
	// working directory or the nearest parent that holds Meshwright's Pulumi.yaml.
	ProjectDir string
	// KitDir is the airgap kit, whose engine is used if it has one. Default paths.Kit().
	KitDir string
	// CacheDir keeps compiled programs. Default: programs in paths.Cache().
	CacheDir string
	// Progress is told what is being done, from several goroutines. nil drops it.
	Progress func(string)
	// Log receives diagnostics. nil drops them.
	Log *slog.Logger
}

// Run reports what a change does to every stack, without Docker, a cluster or any
// state: it compiles each revision's own program, and the Pulumi engine runs it
// against simulated providers, base's as an update from nothing, head's as a preview
// on the state that base left. The same revisions give the same report, byte by byte.
//
// The user's checkout is not changed. The report has nothing that only a running
// cluster knows: defaults of an API server, admission, drift.
//
// When ctx ends first, Run returns ctx's own error, within seconds.
func Run(ctx context.Context, o Options) (*changes.Report, error) {
	report, err := run(ctx, o)
	switch {
	case err == nil:
		return report, nil
	case ctx.Err() != nil:
		return nil, ctx.Err() // err is a consequence
	}
	return nil, err
}

func run(ctx context.Context, o Options) (*changes.Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "meshwright-diff-") // 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	scratch := filepath.Join(tmp, "git")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return nil, err
	}
	repo, err := revision.Open(ctx, o.ProjectDir, scratch)
	if err != nil {
		return nil, err
	}
	base, head, err := repo.Range(ctx, o.Revisions)
	if err != nil {
		return nil, err
	}
	report := &changes.Report{Version: changes.Version, Source: changes.Computed, Base: base.Label, Head: head.Label, Stacks: []changes.Stack{}}
	if base.Same(head) {
		return report, nil
	}
	cli, err := engine.Find(ctx, o.KitDir, o.Log)
	if err != nil {
		return nil, err
	}
	// Git names the root by its real path.
	project, err := filepath.EvalSymlinks(o.ProjectDir)
	if err != nil {
		return nil, err
	}
	if project, err = filepath.Rel(repo.Root(), project); err != nil {
		return nil, err
	}
	sides := make([]*side, 2)
	for i, rev := range []revision.Revision{base, head} {
		dir := filepath.Join(tmp, []string{"base", "head"}[i])
		missing, err := repo.Checkout(ctx, rev, dir)
		if err != nil {
			return nil, err
		}
		if sides[i], err = openSide(rev.Label, dir, project); err != nil {
			return nil, err
		}
		sides[i].missing = missing
	}
	c := &comparison{base: sides[0], head: sides[1], engine: cli, dir: tmp}
	stacks, err := c.stacks(o.Stacks)
	if err != nil {
		return nil, err
	}
	for _, s := range sides {
		if !slices.ContainsFunc(stacks, s.has) {
			continue
		}
		o.Progress("compile the program of " + s.label)
		if err := s.compile(ctx, o.CacheDir); err != nil {
			return nil, c.clean(err)
		}
	}
	report.Stacks, err = c.all(ctx, stacks, o.Progress)
	report.Sort()
	return report, err
}

func (o Options) withDefaults() (Options, error) {
	if o.ProjectDir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return o, fmt.Errorf("find the project: %w", err)
		}
		if o.ProjectDir = workspace.FindProject(wd); o.ProjectDir == "" {
			return o, report.WithRemedies(errors.New("no Meshwright project here: run this inside the repository of one"),
				report.Remedy{Text: "or name its directory", Option: "ProjectDir"})
		}
	}
	dir, err := filepath.Abs(o.ProjectDir)
	if err != nil {
		return o, err
	}
	o.ProjectDir = dir
	if o.KitDir == "" {
		o.KitDir = paths.Kit()
	}
	if o.CacheDir == "" {
		o.CacheDir = filepath.Join(paths.Cache(), "programs")
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// comparison is one Run at work.
type comparison struct {
	base, head *side
	engine     *engine.Engine
	dir        string // private, removed at the end
}

// stacks are those to compare, sorted.
func (c *comparison) stacks(asked []string) ([]string, error) {
	known := slices.Concat(c.base.names(), c.head.names())
	slices.Sort(known)
	known = slices.Compact(known)
	if len(asked) == 0 {
		return known, nil
	}
	for _, name := range asked {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("stack %s has settings in neither revision; there are: %s", name, strings.Join(known, ", "))
		}
	}
	asked = slices.Clone(asked)
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// all compares the stacks, as many at a time as there are processors: the engine
// itself has the most to do.
func (c *comparison) all(ctx context.Context, stacks []string, progress func(string)) ([]changes.Stack, error) {
	out := make([]changes.Stack, len(stacks))
	errs := make([]error, len(stacks)) // each stack's, so that one run reports all
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i, name := range stacks {
		g.Go(func() error {
			if ctx.Err() == nil {
				progress("compare stack " + name)
				out[i], errs[i] = c.stack(ctx, name)
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, c.clean(errors.Join(errs...))
}

// clean removes the temporary directory from the text of an error.
func (c *comparison) clean(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, dir := range []string{"base", "head"} {
		text = strings.ReplaceAll(text, filepath.Join(c.dir, dir)+string(filepath.Separator), "")
	}
	return engine.Reworded(err, text)
}
