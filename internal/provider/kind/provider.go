package kind

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/provider"
)

// Version is the provider's own version; the program asks for none in particular.
const Version = "0.1.0"

const (
	networkType tokens.Type = "meshwright:kind:Network"
	clusterType tokens.Type = "meshwright:kind:Cluster"
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
	Run(ctx context.Context, args ...string) ([]byte, error)
	Env() []string
	Network(ctx context.Context, name string) (*docker.Network, error)
	CreateNetwork(ctx context.Context, spec docker.NetworkSpec) (string, error)
	RemoveNetwork(ctx context.Context, name string) error
	Containers(ctx context.Context, filter docker.Filter) ([]docker.Container, error)
	NameTaken(ctx context.Context, name, image string) (bool, error)
	Image(ctx context.Context, ref string) (*docker.Image, error)
	Output(ctx context.Context, container string, argv ...string) ([]byte, error)
	CopyFrom(ctx context.Context, container, path, hostPath string) error
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
}

// New returns a provider for one connection.
func New(o Options) plugin.Provider {
	t := &twin{
		Base:    provider.Base{Package: "meshwright", Version: semver.MustParse(Version)},
		options: o,
		log:     o.Log,
		find:    func(ctx context.Context) (daemon, error) { return docker.Find(ctx) },
		run:     runHere,
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
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
			return nil, err
		}
		t.found = d
	}
	return t.found, nil
}

// labDir is the lab's directory, 0700.
func (t *twin) labDir(lab string) string {
	if t.options.StateDir == "" {
		return paths.Lab(lab)
	}
	return filepath.Join(t.options.StateDir, "labs", lab)
}

func unknownType(typ tokens.Type) error {
	return fmt.Errorf("the meshwright provider has no resource type %s", typ)
}

func (t *twin) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	switch req.Type {
	case networkType:
		return checkNetwork(req.News)
	case clusterType:
		return checkCluster(req.News)
	}
	return plugin.CheckResponse{}, unknownType(req.Type)
}

func (t *twin) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	switch req.Type {
	case networkType:
		return diffNetwork(req.OldInputs, req.NewInputs), nil
	case clusterType:
		return diffCluster(req.OldInputs, req.NewInputs), nil
	}
	return plugin.DiffResponse{}, unknownType(req.Type)
}

func (t *twin) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	ctx, done := t.Operation(ctx)
	defer done()
	switch req.Type {
	case networkType:
		return t.createNetwork(ctx, req)
	case clusterType:
		return t.createCluster(ctx, req)
	}
	return plugin.CreateResponse{}, unknownType(req.Type)
}

func (t *twin) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	ctx, done := t.Operation(ctx)
	defer done()
	switch req.Type {
	case networkType:
		return t.readNetwork(ctx, req)
	case clusterType:
		return t.readCluster(ctx, req)
	}
	return plugin.ReadResponse{}, unknownType(req.Type)
}

func (t *twin) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	ctx, done := t.Operation(ctx)
	defer done()
	if req.Type == clusterType { // a network has nothing to update
		return t.updateCluster(ctx, req)
	}
	return plugin.UpdateResponse{}, unknownType(req.Type)
}

func (t *twin) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	ctx, done := t.Operation(ctx)
	defer done()
	switch req.Type {
	case networkType:
		return plugin.DeleteResponse{}, t.deleteNetwork(ctx, req)
	case clusterType:
		return plugin.DeleteResponse{}, t.deleteCluster(ctx, req)
	}
	return plugin.DeleteResponse{}, unknownType(req.Type)
}

// failures turns the error of a check into what the engine shows at the resource.
func failures(err error) []plugin.CheckFailure {
	return []plugin.CheckFailure{{Reason: err.Error()}}
}

// checker collects what is wrong with a resource's inputs.
type checker struct {
	unknown  []string
	failures []plugin.CheckFailure
}

// need records a failure of a property unless ok, or unless its value is not
// known yet.
func (c *checker) need(ok bool, property, format string, args ...any) {
	if ok || c.isUnknown(property) {
		return
	}
	c.failures = append(c.failures, plugin.CheckFailure{
		Property: resource.PropertyKey(property), Reason: fmt.Sprintf(format, args...),
	})
}

func (c *checker) isUnknown(property string) bool {
	return slices.ContainsFunc(c.unknown, func(path string) bool { return provider.Within(path, property) })
}
