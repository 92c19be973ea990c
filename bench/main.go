package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
)

func main() {
	runs := flag.Int("runs", 3, "interleaved runs of each arm")
	out := flag.String("out", "docs/benchmarks.md", "report to write")
	drills := flag.Int("drills", 2, "runs of each failover rule; 0 skips failover and keeps its results in the report")
	only := flag.Bool("only-drills", false, "measure failover only, and replace its results in the report")
	svg := flag.String("svg", "docs/failover.svg", "file for the timeline of a failover")
	executable := flag.String("meshwright", "bin/meshwright", "executable to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, options{*runs, *drills, *only, *out, *svg, *executable}); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// arm is one method of creating the mesh.
type arm struct {
	name, title string
	run         func(context.Context) (time.Duration, map[string]time.Duration, error)
	wall        []time.Duration
	parts       []map[string]time.Duration
}

type options struct {
	runs, drills         int
	onlyDrills           bool
	out, svg, executable string
}

func run(ctx context.Context, o options) error {
	set, err := artifacts.Load(paths.Kit())
	if err != nil {
		return err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return err
	}
	hand := func(nodeImage string, load, parallel bool) func(context.Context) (time.Duration, map[string]time.Duration, error) {
		return func(ctx context.Context) (time.Duration, map[string]time.Duration, error) {
			h := &byHand{set: set, docker: client.Env(), nodeImage: nodeImage, loadImage: load, parallel: parallel}
			wall, err := h.run(ctx)
			return wall, h.parts, err
		}
	}
	lab, err := newLab(o.executable, set, client)
	if err != nil {
		return err
	}
	defer lab.Close()
	plan := drillPlan(o.drills)
	if o.onlyDrills {
		if err := lab.drills(ctx, plan, o.svg); err != nil {
			return err
		}
		return replaceDrills(o.out, plan)
	}
	arms := []*arm{
		{name: "A", title: "the article's steps, in sequence", run: hand(set.Images["node-stock"].Name, true, false)},
		{name: "B", title: "the same steps, in parallel, with the images in the node image", run: hand(set.NodeImage.Name, false, true)},
		{name: "C", title: "`meshwright up`", run: lab.fromNothing},
	}
	for i := range o.runs {
		for _, a := range arms {
			wall, parts, err := a.run(ctx)
			if err != nil {
				return fmt.Errorf("arm %s, run %d: %w", a.name, i+1, err)
			}
			a.wall, a.parts = append(a.wall, wall), append(a.parts, parts)
			fmt.Fprintf(os.Stderr, "run %d  %s  %6.1f s  %s\n", i+1, a.name, wall.Seconds(), a.title)
		}
	}
	if o.drills == 0 {
		plan = nil
	} else if err := lab.drills(ctx, plan, o.svg); err != nil {
		return err
	}
	return writeReport(o.out, arms, lab, plan, set)
}
