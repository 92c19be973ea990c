package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/paths"
)

// labFlags are the flags by which a command finds its lab.
type labFlags struct {
	stack, name, project, artifacts, providers, backend string
	config                                              []string
	timeout                                             time.Duration
}

// addLabFlags gives cmd the flags that choose a lab.
func addLabFlags(cmd *cobra.Command) *labFlags {
	f := &labFlags{}
	fs := cmd.Flags()
	fs.StringVarP(&f.stack, "stack", "s", "dev", "stack, whose settings are Pulumi.<stack>.yaml")
	fs.StringVar(&f.name, "name", "", "the lab's own name, for several labs of one stack (default: the stack's)")
	fs.StringVar(&f.project, "project", "", "directory of Pulumi.yaml (default: this one or a parent of it, else the built-in stacks)")
	fs.StringVar(&f.backend, "backend", "", "URL of a Pulumi backend of your own (default: as before; for a new lab one inside its private directory)")
	fs.DurationVar(&f.timeout, "timeout", 0, "give up after this long, for example 10m (default: never)")
	complete(cmd, "stack", func(string) []string { return automation.Stacks(projectDir(f.project)) })
	complete(cmd, "name", func(string) []string { return automation.Labs(paths.State()) })
	return f
}

// addProgramFlags adds the flags of commands that run the program.
func (f *labFlags) addProgramFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVarP(&f.config, "config", "c", nil, "override a setting, for example clusters[0].workers=1 (repeatable)")
	fs.StringVar(&f.artifacts, "artifacts", "", "where images and charts come from: registry or airgap (default: as before; for a new lab airgap when a kit is built)")
	f.addProvidersFlag(cmd)
	complete(cmd, "artifacts", func(string) []string {
		return []string{automation.ArtifactsRegistry, automation.ArtifactsAirgap}
	})
}

// addProvidersFlag adds the flag of commands whose work needs resource providers.
func (f *labFlags) addProvidersFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.providers, "providers", "", "which kubernetes, tls and command providers to use: official or embedded (default: as before; for a new lab official where they can be had)")
	complete(cmd, "providers", func(string) []string {
		return []string{automation.ProvidersOfficial, automation.ProvidersEmbedded}
	})
}

// lab opens the lab that the flags choose; events may be nil.
func (a *App) lab(ctx context.Context, f *labFlags, events func(automation.Event)) (*automation.Lab, error) {
	config := map[string]string{}
	for _, kv := range f.config {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, usagef("--config %q: write key=value", kv)
		}
		config[k] = v
	}
	a.sameLab = func() string { return flagsOf(f.stack, cmp.Or(f.name, f.stack), projectDir(f.project), "") }
	lab, err := automation.New(ctx, automation.Options{
		Stack: f.stack, Name: f.name, ProjectDir: f.project,
		Config: config, Artifacts: f.artifacts, Providers: f.providers, Backend: f.backend,
		DefaultArtifacts: os.Getenv("MESHWRIGHT_ARTIFACTS"), // which `meshwright setup` prints
		Executable:       a.Executable, Events: events, Log: a.Log,
	})
	if err != nil {
		return nil, &CodedError{Code: ExitUsage, Err: err}
	}
	a.sameLab = func() string { return labFlagsOf(lab) }
	return lab, nil
}

// labFlagsOf are the flags that choose a lab from the present directory: " --name two
// --project /srv/mesh", each flag after a blank; "" for the default lab.
func labFlagsOf(lab *automation.Lab) string {
	return flagsOf(lab.Stack(), lab.Name(), lab.ProjectDir(), lab.Backend())
}

func flagsOf(stack, name, project, backend string) string {
	var s string
	if stack != "dev" {
		s += " --stack " + stack
	}
	if name != stack {
		s += " --name " + name
	}
	if abs, err := filepath.Abs(project); err == nil && project != "" {
		project = abs
	}
	if project != projectDir("") {
		s += " --project " + shellescape.Quote(project)
	}
	if backend != "" {
		s += " --backend " + shellescape.Quote(backend)
	}
	return s
}

// onLab is a command's work on the lab that the flags choose, within --timeout;
// events may be nil.
func (a *App) onLab(f *labFlags, events func(automation.Event), work func(context.Context, *automation.Lab, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		lab, err := a.lab(ctx, f, events)
		if err != nil {
			return err
		}
		return work(ctx, lab, args)
	}
}

// bounded applies --timeout.
func (f *labFlags) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, f.timeout)
}

// projectDir is where stacks are looked up for completion.
func projectDir(flag string) string {
	if flag != "" {
		return flag
	}
	wd, err := os.Getwd()
	if err != nil {
		return ""
	}
	return automation.FindProject(wd)
}

// complete sets a flag's completion to the candidates that begin as typed.
func complete(cmd *cobra.Command, flag string, candidates func(typed string) []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return slices.DeleteFunc(slices.Clone(candidates(typed)), func(c string) bool { return !strings.HasPrefix(c, typed) }), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(fmt.Sprintf("completion of --%s: %v", flag, err)) // the command has no such flag
	}
}

// completeClusters completes a flag with the names of the lab's clusters, from its
// settings alone.
func (a *App) completeClusters(cmd *cobra.Command, f *labFlags, flag string) {
	complete(cmd, flag, func(string) []string {
		lab, err := a.lab(cmd.Context(), f, nil)
		if err != nil {
			return nil
		}
		return lab.ClusterNames()
	})
}

// outputFlag adds --output with the given formats; the first is the default.
func outputFlag(cmd *cobra.Command, formats ...string) *string {
	return choiceFlag(cmd, "output", "o", "format of the result: "+strings.Join(formats, " or "), formats...)
}

// choiceFlag adds a flag that takes one of the choices; the first is the default.
func choiceFlag(cmd *cobra.Command, name, short, usage string, choices ...string) *string {
	v := cmd.Flags().StringP(name, short, choices[0], usage)
	complete(cmd, name, func(string) []string { return choices })
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(choices, *v) {
			return usagef("--%s %q: use %s", name, *v, strings.Join(choices, " or "))
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
	return v
}

// notUp reports whether err says that the lab does not exist.
func notUp(err error) bool {
	var e *automation.NotUpError
	return errors.As(err, &e)
}
