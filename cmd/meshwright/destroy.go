package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

func newDestroyCmd(a *App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Remove a lab and every trace of it",
		Long: `Remove a lab: its clusters, networks, state and kubeconfigs.

The command works when clusters or all containers are missing already, and after an
interrupted up or destroy. It removes only what the lab created. It succeeds when the
lab does not exist.`,
		Example: `  meshwright destroy
  meshwright destroy --name two
  meshwright destroy --force     when the lab's state cannot be read any more`,
	}
	f := addLabFlags(cmd)
	f.addProvidersFlag(cmd)
	output := outputFlag(cmd, "table", "json")
	cmd.Flags().BoolVar(&force, "force", false, "remove what is labelled as the lab's, without its state")
	var p *progress
	cmd.RunE = a.onLab(f, func(e automation.Event) { p.event(e) }, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		p = newProgress(a.UI, "lab "+lab.Name())
		var opts []automation.DestroyOption
		if force {
			opts = append(opts, automation.Force())
		}
		res, err := lab.Destroy(ctx, opts...)
		if notUp(err) {
			p.whole.Skip("there is no such lab")
			res = &automation.DestroyResult{Lab: lab.Name()}
		} else if err != nil {
			p.end(err, "")
			return err
		} else {
			p.end(nil, countsText(res.Counts))
		}
		if *output == "json" {
			return report.JSON(a.Out, destroyDocument(res))
		}
		if n := len(res.Swept.Containers) + len(res.Swept.Networks); n > 0 {
			a.UI.Info("also removed leftovers: " + strings.Join(append(res.Swept.Containers, res.Swept.Networks...), ", "))
		}
		if len(res.Contexts) > 0 {
			a.UI.Info("removed from your kubeconfig: " + strings.Join(res.Contexts, ", "))
		}
		_, err = fmt.Fprintf(a.Out, "Lab %s is gone (%s).\n", res.Lab, ui.Elapsed(res.Duration))
		return err
	})
	return cmd
}

func destroyDocument(r *automation.DestroyResult) any {
	return struct {
		Version int `json:"version"`
		*automation.DestroyResult
	}{1, r}
}
