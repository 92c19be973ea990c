package automation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"al.essio.dev/pkg/shellescape"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/kind"
	"github.com/meshwright/meshwright/internal/provider/plugins"
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
	sweep    func(context.Context, *Lab) (*Swept, error)
	// deleteNamespaces deletes the namespaces with the labels from all clusters and
	// returns, of each, the value of the label scenarioLabel.
	deleteNamespaces func(context.Context, *Outputs, map[string]string) ([]string, error)
	// addresses are those that the machine uses; see usedAddresses.
	addresses func(ctx context.Context, own string) ([]taken, error)
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
		sweep:            sweepDocker,
		deleteNamespaces: deleteNamespaces,
		addresses:        usedAddresses,
	}
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

// rememberBackend takes the backend from the lab's record. In another one the lab
// would have a second state. A record that cannot be read is for the operations to
// complain of, so that a forced Destroy needs none.
func (l *Lab) rememberBackend() error {
	r, err := l.record()
	if err != nil || r == nil {
		return nil
	}
	asked := l.o.Backend
	l.o.Backend = r.Backend
	if asked != "" && asked != l.backendURL() {
		return fmt.Errorf("lab %s keeps its state in %s: leave --backend out, or remove the lab first: meshwright destroy%s", l.o.Name, l.state().Backend, l.Flags())
	}
	return nil
}

// state is the lab's, as its network is labelled with it.
func (l *Lab) state() kind.State {
	return kind.NewState(l.backendURL(), l.Workspace(), projectName, l.o.Name)
}

// Flags choose this lab on meshwright's command line, from the present directory:
// " --name two --project /srv/mesh", each flag after a blank; "" for the default lab.
func (l *Lab) Flags() string {
	var s string
	if l.o.Stack != "dev" {
		s += " --stack " + l.o.Stack
	}
	if l.o.Name != l.o.Stack {
		s += " --name " + l.o.Name
	}
	if wd, err := os.Getwd(); err == nil && l.o.ProjectDir != FindProject(wd) {
		s += " --project " + shellescape.Quote(l.o.ProjectDir)
	}
	if r, err := l.record(); l.o.Backend != "" && (err != nil || r == nil) { // nothing remembers it
		s += " --backend " + shellescape.Quote(l.o.Backend)
	}
	return s
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
	return "file://" + l.backendDir()
}
