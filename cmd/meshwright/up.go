package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/setup"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

func newUpCmd(a *App) *cobra.Command {
	var expectNoChanges, refresh bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring a lab up, or up to date",
		Long: `Bring a lab up: its clusters, load balancers, mesh and sample.

For a lab that is up already the command does nothing. After an error, a Ctrl-C or
a power cut it continues from what exists.`,
		Example: `  meshwright up                              the two-cluster lab of Pulumi.dev.yaml
  meshwright up --name two                   a second lab beside it
  meshwright up -c clusters[0].workers=1     with another setting
  meshwright up --output json | jq .clusters`,
	}
	f := addLabFlags(cmd)
	f.addProgramFlags(cmd)
	output := outputFlag(cmd, "table", "json")
	cmd.Flags().BoolVar(&expectNoChanges, "expect-no-changes", false, "fail if anything would be changed")
	cmd.Flags().BoolVar(&refresh, "refresh", false, "look for changes made by hand inside the clusters, and undo them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var opts []automation.UpOption
		if expectNoChanges {
			opts = append(opts, automation.ExpectNoChanges())
		}
		if refresh {
			opts = append(opts, automation.WithRefresh())
		}
		return a.up(cmd.Context(), f, *output, opts)
	}
	return cmd
}

func (a *App) up(ctx context.Context, f *labFlags, output string, opts []automation.UpOption) error {
	bounded, cancel := f.bounded(ctx)
	defer cancel()
	var p *progress
	lab, err := a.lab(bounded, f, func(e automation.Event) { p.event(e) })
	if err != nil {
		return err
	}
	if err := lab.Check(); err != nil {
		return err
	}
	if !slices.Contains(automation.Labs(paths.State()), lab.Name()) { // a lab that exists has its room
		if err := setup.Preflight(bounded, a.UI, false); err != nil {
			return err
		}
	}
	p = newProgress(a.UI, "lab "+lab.Name())
	res, err := lab.Up(bounded, opts...)
	if err != nil {
		p.end(err, "")
		return a.upFailed(ctx, lab, err)
	}
	p.end(nil, countsText(res.Counts))
	if output == "json" {
		return report.JSON(a.Out, upDocument(res))
	}
	return a.upTable(res, labFlagsOf(lab))
}

// upFailed gathers evidence of an up that failed or ran out of its --timeout, unless
// the user stopped it or nothing had begun.
func (a *App) upFailed(ctx context.Context, lab *automation.Lab, err error) error {
	var failed *automation.OperationError
	var unready *automation.NotReadyError
	var stopped *automation.InterruptedError
	switch {
	case errors.As(err, &failed):
		err = fmt.Errorf("%w\nto go on from here: meshwright up%s; to remove what exists: meshwright destroy%s", err, labFlagsOf(lab), labFlagsOf(lab))
	case errors.As(err, &unready) && !unready.Drift && !errors.Is(err, context.Canceled),
		errors.As(err, &stopped) && errors.Is(err, context.DeadlineExceeded): // says itself how to go on
	default:
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	step := a.UI.Start("collect evidence")
	switch archive, cerr := a.Collect(ctx, lab); {
	case notUp(cerr):
		step.Skip("nothing is left of the lab")
	case cerr != nil:
		step.Fail(cerr)
	default:
		step.Done(archive)
	}
	return err
}

// clusterDocument is one cluster as commands show it: no secrets.
type clusterDocument struct {
	Name            string   `json:"name"`
	KindName        string   `json:"kindName,omitempty"`
	Network         string   `json:"network"`
	ControlPlane    string   `json:"controlPlane"`
	Region          string   `json:"region,omitempty"`
	Zone            string   `json:"zone,omitempty"`
	Subzone         string   `json:"subzone,omitempty"`
	APIServer       string   `json:"apiServer"`
	IngressAddress  string   `json:"ingressAddress,omitempty"`
	EastWestAddress string   `json:"eastWestAddress,omitempty"`
	Nodes           []string `json:"nodes,omitempty"`
}

func clusterDocuments(o *automation.Outputs) []clusterDocument {
	docs := []clusterDocument{}
	for _, c := range o.Clusters {
		docs = append(docs, clusterDocument{
			Name: c.Name, KindName: c.KindName, Network: c.Network, ControlPlane: c.ControlPlane,
			Region: c.Region, Zone: c.Zone, Subzone: c.Subzone, APIServer: c.APIServer,
			IngressAddress: c.IngressAddress, EastWestAddress: c.EastWestAddress, Nodes: c.Nodes,
		})
	}
	return docs
}

func upDocument(r *automation.UpResult) any {
	return struct {
		Version  int                 `json:"version"`
		Lab      string              `json:"lab"`
		MeshID   string              `json:"meshID"`
		Clusters []clusterDocument   `json:"clusters"`
		Counts   map[string]int      `json:"counts"`
		Seconds  float64             `json:"seconds"`
		Timeline []automation.Timing `json:"timeline"`
	}{1, r.Outputs.Lab, r.Outputs.MeshID, clusterDocuments(r.Outputs), r.Counts, r.Duration.Seconds(), r.Timeline}
}

func (a *App) upTable(r *automation.UpResult, flags string) error {
	if err := clusterTable(a.Out, r.Outputs); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Out, "\nLab %s is up (%s in %s).\n", r.Outputs.Lab, countsText(r.Counts), ui.Elapsed(r.Duration))
	if err != nil {
		return err
	}
	return a.tryLines(r.Outputs, flags)
}

func clusterTable(w io.Writer, o *automation.Outputs) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLUSTER\tNETWORK\tCONTROL PLANE\tLOCALITY\tINGRESS\tEAST-WEST")
	for _, c := range o.Clusters {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, c.Network, c.ControlPlane, locality(c), cmp.Or(c.IngressAddress, "-"), cmp.Or(c.EastWestAddress, "-"))
	}
	return t.Flush()
}

// tryLines shows how to use the lab that the flags choose.
func (a *App) tryLines(o *automation.Outputs, flags string) error {
	var lines []string
	if line := a.pathLine(); line != "" {
		lines = append(lines, line)
	}
	for _, c := range o.Clusters {
		if c.IngressAddress != "" {
			lines = append(lines, "curl http://"+c.IngressAddress+"/hello")
			break
		}
	}
	lines = append(lines,
		fmt.Sprintf("eval \"$(meshwright env%s)\" && kubectl --context %s get nodes", flags, o.Clusters[0].Name),
		"meshwright verify"+flags)
	_, err := fmt.Fprintf(a.Out, "  %s\n", strings.Join(lines, "\n  "))
	return err
}

// pathLine puts meshwright on PATH, for the commands in messages; "" where it is there.
func (a *App) pathLine() string {
	if _, err := exec.LookPath("meshwright"); err == nil || filepath.Base(a.Executable) != "meshwright" {
		return ""
	}
	return "export PATH=" + shellescape.Quote(filepath.Dir(a.Executable)) + `:"$PATH"`
}

func locality(c automation.Cluster) string {
	s := c.Region
	for _, part := range []string{c.Zone, c.Subzone} {
		if part != "" {
			s += "/" + part
		}
	}
	return cmp.Or(s, "-")
}
