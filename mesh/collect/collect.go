package collect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/mesh"
)

// Options say where the archive goes and what besides the clusters goes in.
type Options struct {
	Path     string            // of the archive, a .tar.gz; its directory must exist
	Lines    int64             // of each log; default 2000
	Versions map[string]string // of the tools at work, for the index
	// Files come from the caller: the stack's state, a node's log, a report. They
	// are read at the same time as the clusters, and redacted like everything else.
	Files []File
	// Secrets are known by value: wherever they turn up, they are taken out.
	Secrets []string
	// Timeout bounds the work on one cluster; default 45s.
	Timeout time.Duration
	// Progress hears what is being gathered; may be nil.
	Progress func(what string)
}

// File is a file of the caller's.
type File struct {
	Name string // inside the archive, with slashes
	Read func(context.Context) ([]byte, error)
}

// Run writes the archive (mode 0600) and returns its index. What cannot be had
// is listed there and is no error: an archive of a broken mesh is what the
// function is for. An error means that there is no archive.
func Run(ctx context.Context, targets []mesh.Cluster, o Options) (*Index, error) {
	if o.Lines == 0 {
		o.Lines = 2000
	}
	if o.Timeout == 0 {
		o.Timeout = 45 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	secrets := o.Secrets
	for _, t := range targets {
		secrets = append(secrets, credentials(t)...)
	}
	a, err := create(o.Path, NewRedactor(secrets...))
	if err != nil {
		return nil, err
	}
	a.index.Versions = o.Versions
	var wg sync.WaitGroup
	for _, t := range targets {
		a.index.Clusters = append(a.index.Clusters, t.Name)
		wg.Go(func() {
			o.Progress("cluster " + t.Name)
			ctx, cancel := context.WithTimeout(ctx, o.Timeout)
			defer cancel()
			if err := collectCluster(ctx, a, t, o); err != nil {
				a.missing(t.Name, err)
			}
		})
	}
	for _, f := range o.Files {
		wg.Go(func() {
			text, err := f.Read(ctx)
			if err != nil {
				a.missing(f.Name, err)
				return
			}
			a.add(f.Name, text)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		a.abandon()
		return nil, fmt.Errorf("collecting was stopped: %w", context.Cause(ctx))
	}
	if err := a.close(o.Path); err != nil {
		return nil, err
	}
	return &a.index, nil
}

// credentials are what a target's kubeconfig holds.
func credentials(t mesh.Cluster) []string {
	if t.Config == nil {
		return nil
	}
	return []string{t.Config.BearerToken, t.Config.Password, string(t.Config.KeyData)}
}

// cluster is the work on one cluster.
type cluster struct {
	*archive
	*mesh.Member
	dir   string
	lines int64
	limit chan struct{} // bounds the requests in flight
	wg    sync.WaitGroup
}

// inFlight bounds requests to one API server: a lab's is small.
const inFlight = 6

func collectCluster(ctx context.Context, a *archive, t mesh.Cluster, o Options) error {
	if t.Config == nil {
		return errors.New("no kubeconfig")
	}
	members, done, err := mesh.Connect([]mesh.Cluster{t})
	defer done()
	if err != nil {
		return err
	}
	c := &cluster{archive: a, Member: members[0], dir: t.Name, lines: o.Lines, limit: make(chan struct{}, inFlight)}
	version, err := c.Kubernetes.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("its API server does not answer: %w", err) // nothing else will
	}
	c.addYAML("version.yaml", version)
	c.objects(ctx)
	c.pods(ctx)
	c.wg.Wait()
	return nil
}

// do runs f among the others.
func (c *cluster) do(f func()) {
	c.wg.Go(func() {
		c.limit <- struct{}{}
		defer func() { <-c.limit }()
		f()
	})
}

func (c *cluster) addYAML(name string, v any) {
	text, err := yaml.Marshal(v)
	if err != nil {
		c.missing(c.dir+"/"+name, err)
		return
	}
	c.add(c.dir+"/"+name, text)
}
