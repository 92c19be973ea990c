package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/test/faults/matrix"
)

// playFaults breaks the mesh in the ways that the stack names, one after another, and
// puts it right again. An error says that this was impossible.
func (l *lab) playFaults(ctx context.Context, r *result) error {
	handle, err := automation.New(ctx, automation.Options{
		Name: labName, Stack: r.Stack.name, ProjectDir: r.Stack.project,
		Executable: l.Path, StateDir: filepath.Join(l.State, "meshwright"),
	})
	if err != nil {
		return err
	}
	outputs, err := handle.Outputs(ctx)
	if err != nil {
		return err
	}
	targets, err := outputs.Targets()
	if err != nil {
		return err
	}
	r.Faults, err = matrix.Run(ctx, matrix.Options{
		Targets: targets, Workload: outputs.Workload(), Only: r.Stack.faults, NodeExec: l.Docker.Output,
		Progress: func(fault, step string) { l.say(r.Stack, strings.TrimPrefix(fault+": "+step, ": ")) },
	})
	r.judgeFaults()
	return err
}

// judgeFaults takes over what went otherwise than declared, and what was not played.
func (r *result) judgeFaults() {
	played := map[string]bool{}
	for _, row := range r.Faults {
		played[row.Fault] = row.Skipped == ""
		if row.Error != "" {
			r.fail("fault %s: %s", row.Fault, row.Error)
		}
	}
	for _, name := range r.Stack.faults {
		if !played[name] {
			r.fail("fault %s: it was not played", name)
		}
	}
}

// turned says what a fault turned red, "networks CallerHidden".
func turned(row matrix.Row) string {
	var parts []string
	for _, id := range fullChecks {
		if o, ok := row.Got[id]; ok && o.Reason != "" {
			parts = append(parts, id+" "+string(o.Reason))
		}
	}
	return strings.Join(parts, ", ")
}
