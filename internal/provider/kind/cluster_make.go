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
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider"
)

// prepare refuses what is not this lab's and removes a cluster that an interrupted run
// left incomplete. A cluster of another state is refused.
func (t *twin) prepare(ctx context.Context, d daemon, o *mark.Owner, s State, in cluster) error {
	n, err := findNetwork(ctx, d, in.Network)
	if err != nil {
		return err
	}
	if n == nil {
		return fmt.Errorf("kind cluster %s: there is no Docker network %s; run again with a refresh: the network was removed by hand", in.Name, in.Network)
	}
	if reason := o.OwnsNetwork(n); reason != nil {
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
func (t *twin) runKind(ctx context.Context, d daemon, o *mark.Owner, in cluster, urn resource.URN) error {
	v1, err := cgroupV1(ctx, d)
	if err != nil {
		return err
	}
	config, err := renderConfig(in, o.Dir, v1)
	if err != nil {
		return err
	}
	// kind insists on writing a kubeconfig; it is read from the node instead.
	dir := filepath.Join(filepath.Dir(o.Dir), "kind-"+in.Name)
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
			err = fmt.Errorf("create kind cluster %s: %w", in.Name, context.Cause(ctx))
			if cleaned == nil {
				err = fmt.Errorf("%w; what was made of it has been removed", err)
			}
			return errors.Join(err, cleaned)
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
func (t *twin) cleanUp(ctx context.Context, d daemon, o *mark.Owner, in cluster, await bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	late := time.Now().Add(lateNodes)
	failed := func(err error) error {
		return fmt.Errorf("what was made of kind cluster %s is left: %w; it is removed with the lab %s, or by the next creation", in.Name, err, in.Lab)
	}
	for removed := 0; ; {
		nodes, err := ownNodes(ctx, d, o, in)
		if err == nil {
			err = removeNodes(ctx, d, nodes)
		}
		if err != nil {
			return failed(err)
		}
		removed += len(nodes)
		taken := await && removed < len(in.withDefaults().Nodes)
		if taken && time.Now().After(late) {
			if taken, err = anyTaken(ctx, d, in); err != nil {
				return failed(err)
			}
		}
		if !taken && ctx.Err() == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// anyTaken says whether the daemon holds the name of a node.
func anyTaken(ctx context.Context, d daemon, in cluster) (bool, error) {
	for _, name := range in.nodeNames() {
		taken, err := d.NameTaken(ctx, name, in.Image)
		if err != nil || taken {
			return taken, err
		}
	}
	return false, nil
}

// cgroupV1 asks the daemon, on whose machine the nodes run.
func cgroupV1(ctx context.Context, d daemon) (bool, error) {
	version, err := d.Run(ctx, "info", "--format", "{{.CgroupVersion}}")
	return strings.TrimSpace(string(version)) == "1", err
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
