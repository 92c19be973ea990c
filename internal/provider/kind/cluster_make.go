package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/provider"
)

// prepare refuses what is not this lab's and removes a cluster that an interrupted run
// left incomplete. A cluster of another state is refused.
func (t *twin) prepare(ctx context.Context, d daemon, o *owner, s State, in cluster) error {
	n, err := findNetwork(ctx, d, in.Network)
	if err != nil {
		return err
	}
	if n == nil {
		return fmt.Errorf("kind cluster %s: there is no Docker network %s; run again with a refresh: the network was removed by hand", in.Name, in.Network)
	}
	if reason := o.ownsNetwork(n); reason != nil {
		return fmt.Errorf("kind cluster %s: the Docker network %s is not this lab's: %w", in.Name, in.Network, reason)
	}
	if _, err := d.Image(ctx, in.Image); errors.Is(err, docker.ErrNotFound) && builtHere(in.Image) {
		return fmt.Errorf("kind cluster %s: the node image %s is not in Docker; build it: meshwright airgap build", in.Name, in.Image)
	}
	left, err := ownNodes(ctx, d, o, in)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		return nil
	}
	if err := s.Refuse(in.Lab, n.Labels); err != nil {
		return err
	}
	t.log.Info("removing what an earlier run left of a cluster", "cluster", in.Name, "nodes", len(left))
	return removeNodes(ctx, d, left)
}

// builtHere says whether an image can come from the kit only.
func builtHere(image string) bool {
	return strings.HasPrefix(image, "meshwright/") || strings.HasPrefix(image, "meshwright.local/")
}

// passing are texts of failures that a retry resolves. kind chooses a free port
// and then asks Docker for it, and two at once may choose the same. A node may
// come from a killed run, whose request Docker completed.
var passing = []string{
	"port is already allocated",
	"node(s) already exist for a cluster with the name",
	"is already in use by container",
}

// runKind makes the cluster. Whatever goes wrong, nothing of the cluster is left.
func (t *twin) runKind(ctx context.Context, d daemon, o *owner, in cluster, urn resource.URN) error {
	config, err := renderConfig(in, o.dir, cgroupV1(ctx, d))
	if err != nil {
		return err
	}
	// kind insists on writing a kubeconfig; it is read from the node instead.
	dir := filepath.Join(filepath.Dir(o.dir), "kind-"+in.Name)
	defer os.RemoveAll(dir)
	for try := 1; ; try++ {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
			return err
		}
		tail := &tail{limit: 25}
		preparing := false // the time in which kind asks Docker for the nodes
		err := t.run(ctx, job{
			spec: spec{Format: specFormat, Name: in.Name, Config: string(config), Kubeconfig: filepath.Join(dir, "kubeconfig")},
			env:  append(slices.Clone(d.Env()), networkVariable+"="+in.Network),
			line: func(line string) {
				tail.add(line)
				t.log.Debug(line, "cluster", in.Name)
				if strings.Contains(line, "Preparing nodes") {
					preparing = strings.HasPrefix(line, "•")
				}
				if step, ok := strings.CutPrefix(line, "• "); ok {
					t.Status(ctx, urn, strings.TrimSpace(strings.TrimSuffix(step, "...")))
				} else {
					t.Log(ctx, provider.Debug, urn, line)
				}
			},
			abort: func() { _ = t.cleanUp(ctx, d, o, in, false) },
		})
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			t.evidence(ctx, d, in, urn)
		}
		cleaned := t.cleanUp(ctx, d, o, in, preparing)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			return errors.Join(fmt.Errorf("create kind cluster %s: %w; what was made of it has been removed", in.Name, err), cleaned)
		}
		if cleaned == nil && try < createTries && slices.ContainsFunc(passing, tail.contains) {
			continue
		}
		return errors.Join(fmt.Errorf("create kind cluster %s: %w\n%s", in.Name, err, tail), cleaned)
	}
}

// evidence puts the end of the kubelet's journal into the resource's log before
// the node that failed is removed.
func (t *twin) evidence(ctx context.Context, d daemon, in cluster, urn resource.URN) {
	bounded, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	journal, err := d.Output(bounded, in.controlPlane(), "journalctl", "--no-pager", "--output=cat", "--unit=kubelet", "--lines=30")
	if err == nil && len(journal) > 0 {
		t.Log(ctx, provider.Info, urn, fmt.Sprintf("the last lines of the kubelet of %s:\n%s", in.controlPlane(), journal))
		t.log.Warn("kubelet of a failed node", "node", in.controlPlane(), "journal", string(journal))
	}
}

// cleanUp removes the cluster's nodes within cleanupTimeout. The daemon may still
// complete the request of a docker command that was killed, and lists the container
// only then. With await it waits for that.
func (t *twin) cleanUp(ctx context.Context, d daemon, o *owner, in cluster, await bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	late := time.Now().Add(lateNodes)
	for removed := 0; ; {
		nodes, err := ownNodes(ctx, d, o, in)
		if err == nil {
			err = removeNodes(ctx, d, nodes)
		}
		if err != nil {
			return fmt.Errorf("remove what was made of kind cluster %s: %w; run: meshwright destroy --name %s", in.Name, err, in.Lab)
		}
		removed += len(nodes)
		done := !await || removed >= len(in.withDefaults().Nodes) || time.Now().After(late) && !anyTaken(ctx, d, in)
		if done && ctx.Err() == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// anyTaken says whether the daemon holds the name of a node; an error counts as no.
func anyTaken(ctx context.Context, d daemon, in cluster) bool {
	return slices.ContainsFunc(in.nodeNames(), func(name string) bool {
		taken, err := d.NameTaken(ctx, name, in.Image)
		return err == nil && taken
	})
}

// cgroupV1 asks the daemon, on whose machine the nodes run. On an error the patch is
// left out; the kubelet's own error names the field then.
func cgroupV1(ctx context.Context, d daemon) bool {
	version, err := d.Run(ctx, "info", "--format", "{{.CgroupVersion}}")
	return err == nil && strings.TrimSpace(string(version)) == "1"
}

// tail keeps the last lines of an output.
type tail struct {
	limit int
	lines []string
}

func (t *tail) add(line string) {
	if t.lines = append(t.lines, line); len(t.lines) > t.limit {
		t.lines = t.lines[1:]
	}
}

func (t *tail) contains(s string) bool {
	return slices.ContainsFunc(t.lines, func(line string) bool { return strings.Contains(line, s) })
}

func (t *tail) String() string { return "  " + strings.Join(t.lines, "\n  ") }

// removeNodes removes containers with their anonymous volumes. It tries again
// when another removal of the same is under way, or Docker calls one busy.
func removeNodes(ctx context.Context, d daemon, nodes []docker.Container) error {
	return retry.OnError(wait.Backoff{Steps: removeTries, Duration: retryPause}, func(error) bool { return ctx.Err() == nil },
		func() error { return d.Remove(ctx, ids(nodes)...) })
}
