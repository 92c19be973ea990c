package backend

import (
	"context"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optlist"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/workspace"
)

// Stacks asks the engine which stacks the workspace's backend has, with all those of
// other projects too. It reports whether stack is one of them, and names the others as
// the pulumi command takes them in that workspace.
func Stacks(ctx context.Context, ws auto.Workspace, stack string, all bool) (found bool, others []string, err error) {
	var opts []optlist.Option
	if all {
		opts = append(opts, optlist.All())
	}
	listed, err := ws.ListStacks(ctx, opts...)
	if err != nil {
		return false, nil, engine.Readable(err)
	}
	for _, s := range listed {
		// The organization and the project are left out where they are the workspace's own.
		if s.Name == stack || strings.HasSuffix(s.Name, "/"+workspace.Project+"/"+stack) {
			found = true
		} else {
			others = append(others, s.Name)
		}
	}
	return found, others, nil
}
