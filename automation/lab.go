package automation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/recovery"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/kind"
	"github.com/meshwright/meshwright/internal/provider/plugins"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/stacks"
)

// Lab is one stack and what it made on this machine. Its methods may be called
// from several goroutines; the lab's lock lets one operation run at a time and
// refuses the others with a LockedError.
type Lab struct {
	o Options

	// Replaced in tests.
	registry func(context.Context) (*artifacts.Set, error)
	charts   func(context.Context, *artifacts.Set) error
	program  func(*artifacts.Set) pulumi.RunFunc
	scenario func(*artifacts.Set, []stacks.ClusterOutputs, stacks.Scenario) pulumi.RunFunc
	twins    map[string]provider.Factory
	sweep    func(context.Context, recovery.Mark) (*Swept, error)
	// deleteNamespaces deletes the namespaces with the labels from all clusters and
	// returns, of each, the value of the label scenarioLabel.
	deleteNamespaces func(context.Context, *Outputs, map[string]string) ([]string, error)
	// addresses are those that the machine uses; see usedAddresses.
	addresses func(ctx context.Context, own string) ([]taken, error)
	// answering waits until the API servers answer, but those of nodes that are gone;
	// ready, until the lab does.
	answering func(ctx context.Context, gone []string) error
	ready     func(context.Context, *Outputs) error
}

// New returns a handle on a lab that may or may not exist. It changes nothing
// on the machine. A lab that exists keeps its state where it was made: another
// Options.Backend is refused.
func New(ctx context.Context, o Options) (*Lab, error) {
	o, err := o.withDefaults(ctx)
	if err != nil {
		return nil, err
	}
	lock := imagelock.File(o.ProjectDir)
	l := &Lab{
		o:        o,
		registry: func(ctx context.Context) (*artifacts.Set, error) { return imagelock.Registry(ctx, lock) },
		charts: func(ctx context.Context, set *artifacts.Set) error {
			return imagelock.Charts(ctx, set, lock, imagelock.Archive)
		},
		program:          stacks.ProgramWith,
		scenario:         stacks.ScenarioProgram,
		sweep:            recovery.Sweep,
		deleteNamespaces: deleteNamespaces,
		addresses:        usedAddresses,
	}
	l.answering, l.ready = l.awaitAPIServers, l.awaitReady
	if err := l.rememberBackend(); err != nil {
		return nil, err
	}
	l.twins = plugins.All(plugins.Options{
		ChartRoot:  o.KitDir,
		StateDir:   o.StateDir,
		Backend:    l.backendURL(),
		ProjectDir: l.Workspace(),
		Executable: o.Executable,
		Log:        o.Log,
	})
	return l, nil
}

// Name is the lab's name, which is also its Pulumi stack's.
func (l *Lab) Name() string { return l.o.Name }

// Stack names the lab's settings.
func (l *Lab) Stack() string { return l.o.Stack }

// ProjectDir is where the lab's settings are; "" when they are built in.
func (l *Lab) ProjectDir() string { return l.o.ProjectDir }

// Backend is the URL of the Pulumi backend that Options have to name again, as long as
// no record of the lab does; else "".
func (l *Lab) Backend() string {
	if r, err := l.record(); err == nil && r != nil {
		return ""
	}
	return l.o.Backend
}

// rememberBackend takes the backend from the lab's record. In another one the lab
// would have a second state. A record that cannot be read is an error of the
// operations, so that a forced Destroy needs none.
func (l *Lab) rememberBackend() error {
	r, err := l.record()
	if err != nil || r == nil {
		return nil
	}
	asked := l.o.Backend
	l.o.Backend = r.Backend
	if asked != "" && asked != l.backendURL() {
		return report.WithRemedies(fmt.Errorf("lab %s keeps its state in %s", l.o.Name, l.stateOf().Backend),
			report.Remedy{Text: "to use that, leave out", Option: "Backend"}, report.Remedy{Text: "or remove the lab first", Operation: report.OperationDestroy})
	}
	return nil
}

// stateOf names the lab's state, as its network is labelled with it.
func (l *Lab) stateOf() kind.State {
	return kind.NewState(l.backendURL(), l.Workspace(), workspace.Project, l.o.Name)
}

// mark is what Docker knows the lab by.
func (l *Lab) mark() recovery.Mark { return recovery.Mark{Lab: l.o.Name, Dir: l.ownerDir()} }

// CheckDocker returns an *OtherDaemonError when another Docker daemon than the lab's
// answers, and an error when none does. A lab of which nothing was made has no daemon yet.
func (l *Lab) CheckDocker(ctx context.Context) error {
	_, _, err := l.mark().Open(ctx)
	return err
}

// engine is the Pulumi CLI for the lab's backend.
func (l *Lab) engine(ctx context.Context) (*engine.Engine, error) {
	eng, err := engine.Find(ctx, l.o.KitDir, l.o.Log)
	if err != nil {
		return nil, err
	}
	eng.KeepEnv = l.o.Backend != ""
	return eng, nil
}

// env is the setting in which any Pulumi engine finds what the lab keeps in a
// backend: its own stack, or a scenario's.
func (l *Lab) env(backend string) map[string]string {
	return engine.Environment(backend, l.passphraseFile(), l.pulumiHome())
}

// reader opens the stack's workspace for reading: no lock, no providers.
func (l *Lab) reader(ctx context.Context) (auto.Workspace, error) {
	eng, err := l.engine(ctx)
	if err != nil {
		return nil, err
	}
	return auto.NewLocalWorkspace(ctx, auto.WorkDir(l.Workspace()), auto.PulumiHome(l.pulumiHome()), auto.Pulumi(eng), auto.EnvVars(l.env(l.backendURL())))
}

// Dir is the lab's private directory. It exists while the lab does. Its
// directories are 0700 and its files 0600.
func (l *Lab) Dir() string { return filepath.Join(l.o.StateDir, "labs", l.o.Name) }

// KubeconfigFile is the lab's merged kubeconfig, one context per cluster.
func (l *Lab) KubeconfigFile() string { return filepath.Join(l.Dir(), "kubeconfig") }

// Workspace is the directory in which a Pulumi engine finds project and stack.
func (l *Lab) Workspace() string { return filepath.Join(l.Dir(), "workspace") }

func (l *Lab) ownerDir() string       { return filepath.Join(l.Dir(), "owner") }
func (l *Lab) backendDir() string     { return filepath.Join(l.Dir(), "backend") }
func (l *Lab) pulumiHome() string     { return filepath.Join(l.Dir(), "pulumi") }
func (l *Lab) passphraseFile() string { return filepath.Join(l.Dir(), "passphrase") }
func (l *Lab) recordFile() string     { return filepath.Join(l.Dir(), "lab.json") }
func (l *Lab) lockFile() string       { return l.Dir() + ".lock" }

func (l *Lab) backendURL() string {
	if l.o.Backend != "" {
		return l.o.Backend
	}
	return backend.URL(l.backendDir())
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
