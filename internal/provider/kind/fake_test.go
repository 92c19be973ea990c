package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/providertest"
)

// fakeDaemon is a Docker daemon in memory. Containers see the owner file that
// their mount's source holds, as a bind mount would show it.
type fakeDaemon struct {
	mu         sync.Mutex
	networks   []docker.Network
	containers []docker.Container
	images     []string
	// owners overrides what a container shows at mark.OwnerMount, by container name.
	owners map[string]string
	// labels are those of node objects, by node.
	labels    map[string]map[string]string
	commands  []string // run in containers, "container: argv"
	vanishing bool     // a container is gone by the time it is looked into
	unseen    bool     // files in containers cannot be read
	stuck     bool     // no container can be removed
	nameErr   error    // of NameTaken
	identity  docker.Daemon
	notReady  bool
	busy      int             // how many removals fail first
	coming    map[string]bool // names of containers in the making
	serial    int
}

func newFakeDaemon() *fakeDaemon {
	return &fakeDaemon{identity: docker.Daemon{ID: "A", Root: "/var/lib/docker", Host: "unix:///fake"}, owners: map[string]string{}, labels: map[string]map[string]string{}}
}

func notFound(what string) error {
	return &docker.CommandError{Stderr: "Error: No such container: " + what, Err: fmt.Errorf("exit status 1")}
}

func (f *fakeDaemon) Run(context.Context, ...string) ([]byte, error) { return []byte("1\n"), nil }
func (f *fakeDaemon) Env() []string                                  { return []string{"DOCKER_HOST=unix:///fake"} }

func (f *fakeDaemon) Daemon(context.Context) (docker.Daemon, error) { return f.identity, nil }

func (f *fakeDaemon) id() string {
	f.serial++
	return fmt.Sprintf("%064x", f.serial)
}

func (f *fakeDaemon) Network(_ context.Context, name string) (*docker.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.networks {
		if n.Name == name || n.ID == name {
			return &n, nil
		}
	}
	return nil, &docker.CommandError{Stderr: "Error response from daemon: network " + name + " not found", Err: fmt.Errorf("exit status 1")}
}

func (f *fakeDaemon) Networks(_ context.Context, labels map[string]string) ([]docker.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.networks), func(n docker.Network) bool {
		for k, v := range labels {
			if n.Labels[k] != v {
				return true
			}
		}
		return false
	}), nil
}

func (f *fakeDaemon) Container(_ context.Context, name string) (*docker.Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.containers {
		if c.ID == name || c.Name == name {
			return &c, nil
		}
	}
	return nil, notFound(name)
}

func (f *fakeDaemon) CreateNetwork(_ context.Context, s docker.NetworkSpec) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := docker.Network{ID: f.id(), Name: s.Name, Labels: s.Labels}
	n.IPAM.Config = append(n.IPAM.Config, struct{ Subnet, IPRange, Gateway string }{s.Subnet, s.IPRange, s.Gateway})
	for _, other := range f.networks {
		if len(other.IPAM.Config) > 0 && other.IPAM.Config[0].Subnet == s.Subnet {
			return "", &docker.CommandError{Stderr: "Pool overlaps with other one on this address space", Err: fmt.Errorf("exit status 1")}
		}
	}
	f.networks = append(f.networks, n)
	return n.ID, nil
}

func (f *fakeDaemon) RemoveNetwork(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.networks = slices.DeleteFunc(f.networks, func(n docker.Network) bool { return n.ID == name || n.Name == name })
	return nil
}

func (f *fakeDaemon) Containers(_ context.Context, filter docker.Filter) ([]docker.Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []docker.Container
next:
	for _, c := range f.containers {
		for k, v := range filter.Labels {
			if got, ok := c.Labels[k]; !ok || v != "" && got != v {
				continue next
			}
		}
		if filter.Network != "" {
			on := false
			for name := range c.Networks {
				for _, n := range f.networks {
					on = on || n.Name == name && (n.ID == filter.Network || n.Name == filter.Network)
				}
			}
			if !on {
				continue
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func (f *fakeDaemon) Image(_ context.Context, ref string) (*docker.Image, error) {
	if slices.Contains(f.images, ref) {
		return &docker.Image{}, nil
	}
	return nil, notFound(ref)
}

func (f *fakeDaemon) NameTaken(_ context.Context, name, _ string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.coming[name] || slices.ContainsFunc(f.containers, func(c docker.Container) bool { return c.Name == name }), f.nameErr
}

func (f *fakeDaemon) Output(_ context.Context, container string, argv ...string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := container
	for _, c := range f.containers {
		if c.ID == container {
			name = c.Name
		}
	}
	line := strings.Join(argv, " ")
	f.commands = append(f.commands, name+": "+line)
	switch {
	case argv[0] == "cat":
		return []byte(adminConf), nil
	case strings.HasSuffix(line, "get nodes -o json"):
		items := []any{}
		for node, labels := range f.labels {
			items = append(items, map[string]any{"metadata": map[string]any{"name": node, "labels": labels}})
		}
		return json.Marshal(map[string]any{"items": items})
	case strings.Contains(line, " label "):
		at := slices.Index(argv, "node")
		for _, kv := range argv[at+2:] {
			if key, ok := strings.CutSuffix(kv, "-"); ok {
				delete(f.labels[argv[at+1]], key)
				continue
			}
			k, v, _ := strings.Cut(kv, "=")
			f.labels[argv[at+1]][k] = v
		}
	case strings.Contains(line, " wait ") && f.notReady:
		return nil, fmt.Errorf("timed out waiting for the condition")
	case strings.Contains(line, "jsonpath") && f.notReady:
		return []byte("lab-c1-control-plane: False container runtime network not ready\n"), nil
	}
	return nil, nil
}

func (f *fakeDaemon) CopyFrom(_ context.Context, container, path, hostPath string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unseen {
		return &docker.CommandError{Stderr: "Error response from daemon: context deadline exceeded", Err: fmt.Errorf("exit status 1")}
	}
	for _, c := range f.containers {
		if c.ID != container {
			continue
		}
		if f.vanishing {
			f.containers = slices.DeleteFunc(f.containers, func(c docker.Container) bool { return c.ID == container })
			break
		}
		text, ok := f.owners[c.Name]
		if !ok {
			for _, m := range c.Mounts {
				if m.Destination == mark.OwnerMount {
					raw, err := os.ReadFile(filepath.Join(m.Source, "owner.json"))
					if err != nil {
						return &docker.CommandError{Stderr: "Error: No such container:path: " + container + ":" + path, Err: fmt.Errorf("exit status 1")}
					}
					text = string(raw)
				}
			}
		}
		return os.WriteFile(hostPath, []byte(text), 0o600)
	}
	return notFound(container)
}

func (f *fakeDaemon) Remove(_ context.Context, containers ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck && len(containers) > 0 {
		return errors.New("cannot remove container: device or resource busy")
	}
	if f.busy > 0 && len(containers) > 0 {
		f.busy--
		return fmt.Errorf("removal of container %s is already in progress", containers[0])
	}
	f.containers = slices.DeleteFunc(f.containers, func(c docker.Container) bool { return slices.Contains(containers, c.ID) })
	return nil
}

// addNode adds a running node as kind would make it.
func (f *fakeDaemon) addNode(cluster, name, network, source string, labels map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := docker.Container{
		ID: f.id(), Name: name, Labels: map[string]string{clusterLabel: cluster},
		Networks: map[string]docker.Endpoint{network: {}},
		State:    docker.State{Status: "running", Running: true},
		Ports:    map[string][]docker.Port{"6443/tcp": {{HostIP: "127.0.0.1", HostPort: "40001"}}},
	}
	if source != "" {
		c.Mounts = []docker.Mount{{Type: "bind", Source: source, Destination: mark.OwnerMount}}
	}
	f.containers = append(f.containers, c)
	f.labels[name] = map[string]string{"kubernetes.io/hostname": name}
	for k, v := range labels {
		f.labels[name][k] = v
	}
}

func (f *fakeDaemon) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.containers {
		out = append(out, c.Name)
	}
	slices.Sort(out)
	return out
}

const adminConf = `apiVersion: v1
kind: Config
clusters:
- cluster: {certificate-authority-data: Y2E=, server: https://lab-c1-control-plane:6443}
  name: lab-c1
contexts:
- context: {cluster: lab-c1, user: kubernetes-admin}
  name: kubernetes-admin@lab-c1
current-context: kubernetes-admin@lab-c1
users:
- name: kubernetes-admin
  user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}
`

// bench is a provider over a fake daemon, reached through its gRPC server.
type bench struct {
	*fakeDaemon
	state  string
	client *providertest.Client
	// kind is what runs in place of kind.
	kind runner
}

func newBench(t *testing.T) *bench {
	b := &bench{fakeDaemon: newFakeDaemon(), state: t.TempDir()}
	b.images = []string{"node:1"}
	b.kind = func(_ context.Context, j job) error {
		b.bringUp(t, j)
		return nil
	}
	b.client = b.connect(t, "file:///first")
	return b
}

// connect makes a provider for an engine whose state is in the backend.
func (b *bench) connect(t *testing.T, backend string) *providertest.Client {
	return providertest.Serve(t, func() plugin.Provider {
		return &twin{
			Base:    provider.Base{Package: "meshwright", Version: semver.MustParse(Version)},
			options: Options{StateDir: b.state, Backend: backend},
			log:     slog.New(slog.DiscardHandler),
			find:    func(context.Context) (daemon, error) { return b.fakeDaemon, nil },
			run:     func(ctx context.Context, j job) error { return b.kind(ctx, j) },
		}
	})
}

func (b *bench) labDir(lab string) string { return filepath.Join(b.state, "labs", lab) }

// bringUp makes the nodes of a job's configuration.
func (b *bench) bringUp(t *testing.T, j job) {
	t.Helper()
	network := ""
	for _, kv := range j.env {
		if v, ok := strings.CutPrefix(kv, networkVariable+"="); ok {
			network = v
		}
	}
	config := parseConfig(t, j.spec.Config)
	names := cluster{Name: j.spec.Name}
	for _, n := range config.Nodes {
		names.Nodes = append(names.Nodes, node{Role: string(n.Role)})
	}
	for i, name := range names.nodeNames() {
		b.addNode(j.spec.Name, name, network, config.Nodes[i].ExtraMounts[0].HostPath, config.Nodes[i].Labels)
	}
}
