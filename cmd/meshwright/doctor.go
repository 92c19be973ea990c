package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/setup"
	"github.com/meshwright/meshwright/report"
)

func newDoctorCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what up would use on this machine, and what is missing",
		Long: `Show what bringing a lab up on this machine would use, and why: where images and
charts come from, which pulumi command, language host and providers, which Docker.
Show whether there is room, whether the lab's addresses are free, and which labs
exist. For what is missing, show the command that remedies it. Nothing is changed
or downloaded.

Exit code 0 means that up has what it needs; 1, that it would fail.`,
		Example: `  meshwright doctor
  meshwright doctor --stack three-region --artifacts registry
  meshwright doctor --output json | jq '.findings[] | select(.status=="fail")'`,
	}
	f := addLabFlags(cmd)
	f.addProgramFlags(cmd)
	output := outputFlag(cmd, "table", "json")
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		d, err := diagnose(ctx, lab)
		if err != nil {
			return err
		}
		if *output == "json" {
			err = report.JSON(a.Out, d)
		} else {
			err = d.table(a.Out)
		}
		if err == nil && !d.Ready {
			err = &CodedError{Code: ExitError} // the output says why
		}
		return err
	})
	return cmd
}

// Outcomes of a finding.
const (
	findingOK   = "ok"
	findingWarn = "warn" // up works, with a limitation
	findingFail = "fail" // up would fail
)

// finding is one thing about the machine.
type finding struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"` // ok, warn or fail
	Found  string `json:"found,omitempty"`
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"` // what to run, when the status is not ok
}

// diagnosis is the document of `meshwright doctor --output json`, format 1.
type diagnosis struct {
	Version  int       `json:"version"`
	Ready    bool      `json:"ready"`
	Lab      string    `json:"lab"`
	Findings []finding `json:"findings"`
	Labs     []string  `json:"labs"` // that are kept on this machine

	flags string // that choose the lab
}

func diagnose(ctx context.Context, lab *automation.Lab) (*diagnosis, error) {
	tools, err := lab.Tools(ctx)
	if err != nil {
		return nil, err
	}
	airgap := false
	for _, t := range tools {
		airgap = airgap || t.ID == "artifacts" && strings.HasPrefix(t.Found, automation.ArtifactsAirgap)
	}
	machine, err := setup.Examine(ctx, airgap)
	if err != nil {
		return nil, err
	}
	d := &diagnosis{Version: 1, Lab: lab.Name(), flags: labFlagsOf(lab), Labs: append([]string{}, automation.Labs(paths.State())...)}
	d.system(machine)
	d.tools(tools)
	if !airgap {
		d.registries(ctx)
		d.architecture(machine)
	}
	d.kit(machine, airgap)
	d.room(machine)
	d.state()
	d.settings(lab)
	if machine.DockerErr == nil && d.daemon(ctx, lab) {
		d.addresses(ctx, lab)
	}
	d.Ready = true
	for _, f := range d.Findings {
		d.Ready = d.Ready && f.Status != findingFail
	}
	return d, nil
}

func (d *diagnosis) add(f finding) {
	if f.Status == "" {
		f.Status = findingOK
	}
	d.Findings = append(d.Findings, f)
}

// failure is an error, whose text says what to run.
func (d *diagnosis) failure(f finding, err error) {
	f.Status, f.Remedy = findingFail, errorText(err, d.flags)
	d.add(f)
}

func (d *diagnosis) system(m *setup.Examination) {
	d.add(finding{ID: "system", Title: "system", Found: m.System})
	docker := finding{ID: "docker", Title: "Docker"}
	if m.DockerErr != nil {
		d.failure(docker, m.DockerErr)
		return
	}
	docker.Found = fmt.Sprintf("%s at %s", m.Docker.Docker.Engine, m.Docker.Client.Host())
	switch {
	case m.Docker.Ours:
		docker.Why = "`meshwright setup` started it"
	case os.Getenv("DOCKER_HOST") != "":
		docker.Why = "DOCKER_HOST is set to it"
	default:
		docker.Why = "it answers"
	}
	if m.Nodes > 0 {
		docker.Why += fmt.Sprintf("; %d nodes of labs run on it", m.Nodes)
	}
	d.add(docker)
}

func (d *diagnosis) tools(tools []automation.Tool) {
	for _, t := range tools {
		f := finding{ID: t.ID, Title: t.Title, Found: t.Found, Why: t.Why}
		if t.Why == automation.WhyDefaultArtifacts {
			f.Why += " (MESHWRIGHT_ARTIFACTS, as `meshwright setup` found)"
		}
		if t.Err != nil {
			d.failure(f, t.Err)
			continue
		}
		d.add(f)
	}
}

func (d *diagnosis) registries(ctx context.Context) {
	f := finding{ID: "registries", Title: "official registries", Found: "all answer"}
	if err := setup.RegistriesAnswer(ctx); err != nil {
		f.Found = err.Error()
		f.Status, f.Remedy = findingFail, "meshwright airgap build, then meshwright up --artifacts airgap"+d.flags
	}
	d.add(f)
}

// architecture warns where the nodes cannot run the official load generator.
func (d *diagnosis) architecture(m *setup.Examination) {
	load := artifacts.Registry().Images["load"]
	if m.Docker == nil || m.Docker.Docker.Arch == load.Architecture {
		return
	}
	d.add(finding{
		ID: "architecture", Title: "timed checks and drills", Status: findingWarn,
		Found:  fmt.Sprintf("%s is for %s alone, Docker here is for %s", load.Name, load.Architecture, m.Docker.Docker.Arch),
		Remedy: "verify without --full and leave out drills, or use a machine with " + load.Architecture,
	})
}

// kit reports the kit, and fails where one is needed and missing.
func (d *diagnosis) kit(m *setup.Examination, needed bool) {
	f := finding{ID: "kit", Title: "airgap kit", Why: "at " + paths.Kit()}
	set, err := artifacts.Load(paths.Kit())
	switch {
	case err == nil:
		f.Found = fmt.Sprintf("%d images, %d charts, %d executables", len(set.Images), len(set.Charts), len(set.Binaries))
	case needed:
		f.Found, f.Status, f.Remedy = "none that is complete", findingFail, "meshwright airgap build"
	default:
		f.Found = "none, and none is needed"
	}
	d.add(f)
	if len(m.Packages) > 0 {
		d.add(finding{
			ID: "packages", Title: "packages for building the kit", Status: findingFail,
			Found: "missing: " + strings.Join(m.Packages, ", "), Remedy: "sudo apt-get install " + strings.Join(m.Packages, " "),
		})
	}
}

func (d *diagnosis) room(m *setup.Examination) {
	for _, r := range m.Room {
		f := finding{ID: "room", Title: r.What, Found: r.Found, Why: "needs " + r.Need}
		if !r.OK {
			f.Status, f.Remedy = findingFail, r.Remedy
		}
		d.add(f)
	}
	for _, l := range m.Limits {
		f := finding{ID: "limits", Title: l.What, Found: l.Found, Why: "three clusters and more need " + l.Need}
		if !l.OK {
			f.Status, f.Remedy = findingWarn, l.Remedy
		}
		d.add(f)
	}
}

func (d *diagnosis) state() {
	f := finding{ID: "state", Title: "labs are kept in", Found: paths.Labs(), Why: "labs: " + cmp.Or(strings.Join(d.Labs, ", "), "none")}
	if err := setup.StateWritable(paths.Labs()); err != nil {
		f.Status, f.Remedy = findingFail, fmt.Sprintf("%v: give this user the directory, or set XDG_STATE_HOME to another", err)
	}
	d.add(f)
}

// settings are the lab's own; up refuses at once what they refuse.
func (d *diagnosis) settings(lab *automation.Lab) {
	f := finding{ID: "settings", Title: "settings of lab " + lab.Name()}
	if err := lab.Check(); err != nil {
		d.failure(f, err)
		return
	}
	f.Found = "accepted"
	d.add(f)
}

// daemon says whether the Docker that answers is the lab's.
func (d *diagnosis) daemon(ctx context.Context, lab *automation.Lab) bool {
	err := lab.CheckDocker(ctx)
	if err != nil {
		d.failure(finding{ID: "daemon", Title: "Docker of lab " + lab.Name()}, err)
	}
	return err == nil
}

// addresses compares those of a lab whose settings are accepted.
func (d *diagnosis) addresses(ctx context.Context, lab *automation.Lab) {
	if lab.Check() != nil {
		return
	}
	f := finding{ID: "addresses", Title: "addresses of lab " + lab.Name()}
	if err := lab.CheckAddresses(ctx); err != nil {
		d.failure(f, err)
		return
	}
	f.Found, f.Why = "free, or the lab's already", "compared with Docker's networks and this machine's routes"
	d.add(f)
}

func (d *diagnosis) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range d.Findings {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Status, f.Title, cmp.Or(f.Found, "-"), f.Why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range d.Findings {
		if f.Remedy != "" {
			if _, err := fmt.Fprintf(w, "\n%s: %s: %s\n", f.Status, f.Title, f.Remedy); err != nil {
				return err
			}
		}
	}
	verdict := "up has what it needs: meshwright up" + d.flags
	if !d.Ready {
		verdict = "up would fail; apply the remedies above first"
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict)
	return err
}
