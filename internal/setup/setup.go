package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

// Options say how far a set-up may go.
type Options struct {
	UI       *ui.Printer
	In       io.Reader // where the answer is read from
	Out      io.Writer // where the question is put
	Terminal bool      // In is a terminal: a person can be asked
	Approved bool      // MESHWRIGHT_SETUP=1: go on without a question

	Artifacts string // one of the Artifacts constants; empty is ArtifactsAuto
	Tests     bool   // bring what `make test` needs as well

	kit bool // bring what `meshwright airgap build` needs: follows from Artifacts
}

// Where a lab's images and charts are to come from. Auto takes the official
// registries when they answer, and else the airgap kit.
const (
	ArtifactsAuto     = "auto"
	ArtifactsRegistry = artifacts.SourceRegistry
	ArtifactsAirgap   = artifacts.SourceAirgap
)

// Result says which Docker there is after a set-up.
type Result struct {
	Docker    docker.Version
	Client    *docker.Client
	Ours      bool   // it is the daemon that we started
	Artifacts string // ArtifactsRegistry or ArtifactsAirgap
}

// Run brings the machine to where a lab can start. It skips what is in place already
// and reports it.
func Run(ctx context.Context, o Options) (*Result, error) {
	chosen := o.chooseArtifacts(ctx, RegistriesAnswer)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	o.kit = chosen == ArtifactsAirgap
	result, err := Machine{}.setUp(ctx, o)
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped: %w\nwhat was done so far is recorded; to continue, run: meshwright setup\nto undo it, run: meshwright clean", err)
	}
	if err != nil {
		return nil, err
	}
	result.Artifacts = chosen
	return result, nil
}

// chooseArtifacts decides where artifacts come from and reports it.
func (o Options) chooseArtifacts(ctx context.Context, probe func(context.Context) error) string {
	step := o.UI.Start("artifacts")
	if o.Artifacts != "" && o.Artifacts != ArtifactsAuto {
		step.Skip("from " + o.Artifacts + ", as asked for")
		return o.Artifacts
	}
	if err := probe(ctx); err != nil {
		step.Done(fmt.Sprintf("from the airgap kit, built here, since %s", err))
		return ArtifactsAirgap
	}
	step.Done("from the official registries, which answer")
	return ArtifactsRegistry
}

func (m Machine) setUp(ctx context.Context, o Options) (*Result, error) {
	found, absent, err := m.find(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.checkSize(ctx, o.UI, found, o.kit && !m.kitBuilt()); err != nil {
		return nil, err
	}
	if found != nil && !found.Ours {
		return found, m.useOrdinary(o, found)
	}
	if found == nil {
		if err := m.mayChange(absent, os.Getuid(), runtime.GOOS); err != nil {
			return nil, err
		}
	}
	unlock, err := m.lock(ctx, o.UI)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return m.useOurs(ctx, o)
}

// find looks for a daemon that answers; without one, absent says why. Our own is known
// by its process, however its socket was found: `meshwright env` sets DOCKER_HOST to it.
// Where a set-up cannot bring what is missing, that is an error: no other daemon is
// started in place of one that the user has chosen.
func (m Machine) find(ctx context.Context) (found *Result, absent, err error) {
	client, err := docker.Find(ctx)
	switch {
	case err == nil:
	case errors.Is(err, docker.ErrUnreachable) || errors.Is(err, docker.ErrNoCommand):
		return nil, err, nil
	default:
		return nil, nil, err
	}
	version, err := client.Ping(ctx)
	if err != nil {
		return nil, nil, err
	}
	record, err := m.readRecord()
	ours := err == nil && client.Host() == m.client().Host() && m.ours(record) // who cannot read the record did not make it
	return &Result{Docker: version, Client: client, Ours: ours}, nil, nil
}

// useOrdinary takes a machine's own Docker as it is and changes nothing.
func (m Machine) useOrdinary(o Options, found *Result) error {
	o.UI.Start("Docker").Skip(fmt.Sprintf("%s answers and is used as it is", found.Docker.Engine))
	if packages := missing(o.tools(), lookPath); len(packages) > 0 {
		return fmt.Errorf("packages are missing on this machine\nrun: sudo apt-get install %s", strings.Join(packages, " "))
	}
	for _, l := range m.limitFindings() {
		if !l.OK {
			o.UI.Warn(fmt.Sprintf("%s are limited to %s; three or more clusters need more: %s", l.What, l.Found, l.Remedy))
		}
	}
	return nil
}

// mayChange returns nil when this machine can be set up by us. absent is why no Docker
// was found; its remedy says what to do instead.
func (m Machine) mayChange(absent error, uid int, goos string) error {
	remedy := docker.Machine{Root: m.path("/"), UID: uid, OS: goos}.Remedy(absent)
	if remedy.Operation == report.OperationSetup {
		return nil
	}
	return report.WithRemedies(absent, remedy)
}

// useOurs brings up a daemon of our own, and what belongs to it. It is called
// with the lock held.
func (m Machine) useOurs(ctx context.Context, o Options) (*Result, error) {
	record, err := m.readRecord()
	if err == nil {
		err = m.refuseForeign(record)
	}
	if err != nil {
		return nil, err
	}
	plan, err := m.plan(record, o.tools())
	if err != nil {
		return nil, err
	}
	if err := o.consent(ctx, plan); err != nil {
		return nil, err
	}
	stages := []struct {
		title string
		do    func(context.Context, *Record, *ui.Step) (done, skipped string, err error)
	}{
		{"packages", plan.packagesStage},
		{"inotify limits", plan.limitsStage},
		{"Docker daemon", plan.daemonStage},
	}
	for _, stage := range stages {
		step := o.UI.Start(stage.title)
		done, skipped, err := stage.do(ctx, &record, step)
		if err != nil {
			step.Fail(err)
			return nil, err
		}
		if skipped != "" {
			step.Skip(skipped)
		} else {
			step.Done(done)
		}
		// Where systemd starts services, the packages have brought an ordinary Docker.
		if stage.title == "packages" && done != "" {
			if found, _, err := m.find(ctx); err == nil && found != nil && !found.Ours {
				return found, m.useOrdinary(o, found)
			}
		}
	}
	version, err := m.client().Ping(ctx)
	if err != nil {
		return nil, err
	}
	return &Result{Docker: version, Client: m.client(), Ours: true}, nil
}

// consent shows what will change and asks, unless nothing will or it was
// approved beforehand.
func (o Options) consent(ctx context.Context, p *plan) error {
	changes := p.changes()
	if len(changes) == 0 {
		return nil
	}
	text := "No Docker answers on this machine. To set one up, this command will:\n"
	if p.running {
		text = "To complete this machine's set-up, this command will:\n"
	}
	text += "  " + strings.Join(changes, "\n  ") + "\n`meshwright clean` undoes it; installed packages stay.\n"
	switch {
	case o.Approved:
		o.UI.Info(strings.TrimSpace(text))
		return nil
	case !o.Terminal:
		return fmt.Errorf("%sthere is no terminal to ask on\nto agree beforehand, run: MESHWRIGHT_SETUP=1 meshwright setup", text)
	}
	fmt.Fprint(o.Out, text+"Continue? [y/N] ")
	answer, err := readLine(ctx, o.In)
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was changed\nto set up this machine after all, run: meshwright setup")
	}
	return nil
}

// readLine reads an answer until ctx ends. A read from a terminal cannot be
// interrupted, so it is left running.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	answer := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(in).ReadString('\n')
		answer <- result{line, err}
	}()
	select {
	case r := <-answer:
		if errors.Is(r.err, io.EOF) {
			return r.line, nil // no answer is no consent
		}
		return r.line, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// kitBuilt reports whether a complete kit is in its place.
func (m Machine) kitBuilt() bool {
	_, err := os.Stat(m.path(paths.Kit(), "artifacts.json"))
	return err == nil
}
