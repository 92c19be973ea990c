package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/report"
)

// Version is the provider's own version; the program asks for none in particular.
const Version = "0.1.0"

const (
	networkType tokens.Type = "meshwright:kind:Network"
	clusterType tokens.Type = "meshwright:kind:Cluster"

	addressesType tokens.Type = "meshwright:kind:Addresses"
)

// Options say what the provider may use of the machine.
type Options struct {
	// Executable is a meshwright executable, for the child that runs kind's
	// create. Without one kind runs in this process, one cluster at a time.
	Executable string
	// StateDir holds labs/<lab>/owner; empty means paths.State().
	StateDir string
	// Backend and ProjectDir are those of the engine that will ask; see NewState.
	// Without a backend it is the engine that started this process.
	Backend, ProjectDir string
	Log                 *slog.Logger // nil discards
}

// daemon is what is asked of Docker: *docker.Client, or a fake in tests.
type daemon interface {
	mark.Docker
	Daemon(ctx context.Context) (docker.Daemon, error)
	Run(ctx context.Context, args ...string) ([]byte, error)
	Env() []string
	CreateNetwork(ctx context.Context, spec docker.NetworkSpec) (string, error)
	RemoveNetwork(ctx context.Context, name string) error
	NameTaken(ctx context.Context, name, image string) (bool, error)
	Image(ctx context.Context, ref string) (*docker.Image, error)
	Output(ctx context.Context, container string, argv ...string) ([]byte, error)
	Remove(ctx context.Context, containers ...string) error
}

type twin struct {
	provider.Base
	options Options
	log     *slog.Logger
	// find and run are replaced in unit tests.
	find func(ctx context.Context) (daemon, error)
	run  runner

	mu    sync.Mutex
	found daemon
	asked docker.Daemon // found's identity
}

// New returns a provider for one connection.
func New(o Options) plugin.Provider {
	t := &twin{
		Base:    provider.Base{Package: "meshwright", Version: semver.MustParse(Version)},
		options: o,
		log:     cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
		find:    func(ctx context.Context) (daemon, error) { return docker.Find(ctx) },
		run:     runHere,
	}
	if o.Executable != "" {
		t.run = runChild(o.Executable)
	}
	return t
}

// docker finds the daemon once.
func (t *twin) docker(ctx context.Context) (daemon, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.found == nil {
		d, err := t.find(ctx)
		if err != nil {
			return nil, worded(err)
		}
		if t.asked, err = d.Daemon(ctx); err != nil {
			return nil, err
		}
		t.found = d
	}
	return t.found, nil
}

// bound finds the daemon and the lab's owner, nil when the lab has none. Where the lab
// is on another daemon, what is not found here says nothing: that is an error.
func (t *twin) bound(ctx context.Context, lab string) (daemon, *mark.Owner, error) {
	d, err := t.docker(ctx)
	if err != nil {
		return nil, nil, err
	}
	o, err := mark.Read(t.ownerDir(lab), lab)
	if errors.Is(err, mark.ErrNoOwner) {
		return d, nil, nil
	}
	if err == nil {
		err = worded(o.RefuseOther(ctx, d, t.asked))
	}
	return d, o, err
}

// worded puts an error's remedies into its text, which is all that an engine receives.
func worded(err error) error {
	for _, r := range report.Remedies(err) {
		err = fmt.Errorf("%w; %s", err, r)
	}
	return err
}

// owner is as bound, for a lab that is to have an owner.
func (t *twin) owner(ctx context.Context, lab string) (daemon, *mark.Owner, error) {
	d, o, err := t.bound(ctx, lab)
	if err == nil && o == nil {
		if o, err = mark.Ensure(t.ownerDir(lab), lab, t.asked); err == nil {
			err = worded(o.RefuseOther(ctx, d, t.asked)) // another process may have been first
		}
	}
	return d, o, err
}

// ownerDir is in the lab's directory, 0700.
func (t *twin) ownerDir(lab string) string {
	if t.options.StateDir == "" {
		return filepath.Join(paths.Lab(lab), "owner")
	}
	return filepath.Join(t.options.StateDir, "labs", lab, "owner")
}

// serve runs as an operation what serves a resource type. A network has nothing to
// update, which nil says.
func serve[Req, Res any](ctx context.Context, t *twin, typ tokens.Type, req Req, addresses, network, cluster func(context.Context, Req) (Res, error)) (res Res, err error) {
	ctx, done := t.Operation(ctx)
	defer done()
	switch {
	case typ == addressesType:
		return addresses(ctx, req)
	case typ == networkType && network != nil:
		return network(ctx, req)
	case typ == clusterType:
		return cluster(ctx, req)
	}
	return res, fmt.Errorf("the meshwright provider has no resource type %s", typ)
}

func (t *twin) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	return serve(ctx, t, req.Type, req, checkAddresses, checkNetwork, checkCluster)
}

func (t *twin) Diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	return serve(ctx, t, req.Type, req, diffAddresses, diffNetwork, diffCluster)
}

func (t *twin) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	return serve(ctx, t, req.Type, req, createAddresses, t.createNetwork, t.createCluster)
}

func (t *twin) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	return serve(ctx, t, req.Type, req, readAddresses, t.readNetwork, t.readCluster)
}

func (t *twin) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	return serve(ctx, t, req.Type, req, updateAddresses, nil, t.updateCluster)
}

func (t *twin) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return serve(ctx, t, req.Type, req, deleteAddresses, t.deleteNetwork, t.deleteCluster)
}
