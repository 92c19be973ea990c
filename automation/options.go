package automation

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/report"
)

// InProcess as Options.Executable starts no child.
const InProcess = "-"

// Where artifacts come from.
const (
	ArtifactsRegistry = "registry" // official images and charts, downloaded
	ArtifactsAirgap   = "airgap"   // the kit built on this machine
)

// Options choose a lab and how to work on it. The zero value is the lab "dev"
// with the settings in Pulumi.dev.yaml.
type Options struct {
	// Stack names the settings: Pulumi.<Stack>.yaml. Default "dev".
	Stack string
	// Name is the lab's own name, so that several labs can share one stack's
	// settings. Default Stack. Lower-case letters, digits and dashes, at most
	// 20 bytes: it becomes part of container and host names.
	Name string
	// ProjectDir holds Pulumi.yaml and the stacks' settings. Default: the
	// working directory or the nearest parent that holds Meshwright's
	// Pulumi.yaml; without one, the settings built into this package.
	ProjectDir string
	// Config overrides settings for this operation, as `pulumi config set
	// --path` does; keys without a namespace belong to "meshwright". A later Up
	// without them goes back to the settings; it and Preview warn of that.
	Config map[string]string
	// Artifacts is ArtifactsRegistry or ArtifactsAirgap. Default: what the lab
	// was made with; for a new lab DefaultArtifacts.
	Artifacts string
	// DefaultArtifacts is what a new lab is made with. Default: airgap when a
	// kit has been built, else registry.
	DefaultArtifacts string
	// Providers is ProvidersOfficial or ProvidersEmbedded. Default: what the lab
	// was made with; for a new lab with registry artifacts the official ones
	// if they can be downloaded, else the embedded ones.
	Providers string
	// KitDir is the airgap kit. Default paths.Kit().
	KitDir string
	// StateDir holds what has to be kept: labs/<name>. Default paths.State().
	StateDir string
	// Backend is the URL of a Pulumi backend of the user's own. Default: the one
	// that the lab was made in; for a new lab a local one inside its directory.
	Backend string
	// Executable is the meshwright command, which runs kind in a child process: kind takes neither a context nor its Docker network as an argument.
	// Default: a meshwright of this version on PATH or in the kit's bin
	// directory; without one, and with InProcess, kind runs in this process, one
	// cluster after another and slower to cancel.
	Executable string
	// Deadlines are how long Up waits for what it has created, changed or started.
	Deadlines Deadlines
	// Events receives what happens, one call at a time, in order. It must not
	// block. nil drops them.
	Events func(Event)
	// Log receives diagnostics. nil drops them.
	Log *slog.Logger
}

// FindProject returns dir or its nearest parent that holds Meshwright's
// Pulumi.yaml, or "".
func FindProject(dir string) string { return workspace.FindProject(dir) }

// Stacks lists the stacks that the project in dir has settings for, sorted.
// With dir "" these are the ones built in.
func Stacks(dir string) []string { return workspace.Stacks(dir) }

// ProgramName is the name under which the meshwright executable is the Pulumi
// program itself, as the plain `pulumi` command line starts it.
const ProgramName = workspace.ProgramName

// withDefaults returns o completed and checked. It reads the machine and changes
// nothing.
func (o Options) withDefaults(ctx context.Context) (Options, error) {
	if o.Stack == "" {
		o.Stack = "dev"
	}
	if o.Name == "" {
		o.Name = o.Stack
	}
	if !workspace.ValidName(o.Name) {
		return o, report.WithRemedies(fmt.Errorf("lab name %q: use %s", o.Name, workspace.NameRule), report.Remedy{Text: "choose another", Option: "Name"})
	}
	for _, source := range []string{o.Artifacts, o.DefaultArtifacts} {
		switch source {
		case "", ArtifactsRegistry, ArtifactsAirgap:
		default:
			return o, fmt.Errorf("artifacts %q: use %s or %s", source, ArtifactsRegistry, ArtifactsAirgap)
		}
	}
	switch o.Providers {
	case "", ProvidersOfficial, ProvidersEmbedded:
	default:
		return o, fmt.Errorf("providers %q: use %s or %s", o.Providers, ProvidersOfficial, ProvidersEmbedded)
	}
	if o.KitDir == "" {
		o.KitDir = paths.Kit()
	}
	if o.StateDir == "" {
		o.StateDir = paths.State()
	}
	if o.ProjectDir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return o, fmt.Errorf("find the project: %w", err)
		}
		o.ProjectDir = FindProject(wd)
	}
	for _, p := range []*string{&o.KitDir, &o.StateDir, &o.ProjectDir} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return o, err
		}
		*p = abs
	}
	if strings.Contains(o.StateDir, ":") {
		return o, fmt.Errorf("state directory %s: Docker mounts no path with a colon; choose another (XDG_STATE_HOME)", o.StateDir)
	}
	switch o.Executable {
	case InProcess:
		o.Executable = ""
	case "":
		o.Executable = findExecutable(ctx, o.KitDir)
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
