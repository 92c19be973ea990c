package kind

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/docker"
)

// TestAnotherDaemonChangesNothing: what another daemon does not have is not gone.
func TestAnotherDaemonChangesNothing(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]docker.Daemon{
		"of another machine":      {ID: "B", Root: "/var/lib/docker", Host: "unix:///second"},
		"of this machine, one id": {ID: "A", Root: "/var/lib/second", Host: "unix:///second"},
	} {
		t.Run(name, func(t *testing.T) {
			b, network := lab(t)
			cluster := b.client.MustCreate(clusterURN, clusterInputs())
			first := b.fakeDaemon
			b.fakeDaemon = newFakeDaemon()
			b.identity, b.images = other, first.images
			client := b.connect(t, "file:///first")
			for operation, err := range map[string]error{
				"read network":   second(client.Read(network)),
				"read cluster":   second(client.Read(cluster)),
				"delete network": client.Delete(t.Context(), network),
				"delete cluster": client.Delete(t.Context(), cluster),
				"create network": second(client.Create(t.Context(), networkURN, networkInputs())),
				"create cluster": second(client.Create(t.Context(), clusterURN, clusterInputs())),
				"update cluster": second(client.Update(t.Context(), cluster, clusterInputs("x", "y"))),
			} {
				if err == nil || !strings.Contains(err.Error(), "on another Docker daemon, unix:///fake") || !strings.Contains(err.Error(), "export DOCKER_HOST=unix:///fake") {
					t.Errorf("%s: %v", operation, err)
				}
			}
			if len(b.networks)+len(b.containers) > 0 || len(first.containers) != 2 {
				t.Errorf("the second has %v, the first %v", b.names(), first.names())
			}
			// The lab's own, reached by another path.
			b.fakeDaemon = first
			b.identity.Host = "unix:///alias"
			if r, err := b.connect(t, "file:///first").Read(cluster); err != nil || r == nil {
				t.Errorf("read from the lab's daemon: %v, %v", r, err)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestWhatCannotBeReadIsUnknown: a failed copy of the owner file says nothing of whose a
// container is.
func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	b, network := lab(t)
	cluster := b.client.MustCreate(clusterURN, clusterInputs())
	b.unseen = true
	before := b.names()
	for operation, err := range map[string]error{
		"read":           second(b.client.Read(cluster)),
		"create":         second(b.client.Create(t.Context(), clusterURN, clusterInputs())),
		"update":         second(b.client.Update(t.Context(), cluster, clusterInputs("x", "y"))),
		"delete":         b.client.Delete(t.Context(), cluster),
		"delete network": b.client.Delete(t.Context(), network),
	} {
		if err == nil || !strings.Contains(err.Error(), "is unknown") || strings.Contains(err.Error(), "kind delete") {
			t.Errorf("%s: %v", operation, err)
		}
	}
	if d := cmp.Diff(before, b.names()); d != "" {
		t.Error(d)
	}
	b.unseen = false
	if r, err := b.client.Read(cluster); err != nil || r == nil {
		t.Errorf("read: %v, %v", r, err)
	}
}

// TestWhatIsLeftIsSaid: a removal that failed is not called one that was done.
func TestWhatIsLeftIsSaid(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*fakeDaemon){
		"a node that stays":             func(f *fakeDaemon) { f.stuck = true },
		"a node that cannot be read":    func(f *fakeDaemon) { f.unseen = true },
		"a name that cannot be checked": func(f *fakeDaemon) { f.nameErr = docker.ErrUnreachable; f.containers = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := lab(t)
			running := make(chan struct{})
			b.kind = func(ctx context.Context, j job) error {
				j.line("• Preparing nodes 📦   ...")
				b.bringUp(t, j)
				b.mu.Lock()
				breakIt(b.fakeDaemon)
				b.mu.Unlock()
				close(running)
				<-ctx.Done()
				return context.Cause(ctx)
			}
			_, err := b.cancelledCreate(running)
			if err == nil || strings.Contains(err.Error(), "has been removed") || !strings.Contains(err.Error(), "is left") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// TestTheChildGetsTheDaemon that was found, whatever the environment says.
func TestTheChildGetsTheDaemon(t *testing.T) {
	t.Setenv("DOCKER_CONTEXT", "elsewhere")
	b, _ := lab(t)
	var got map[string]bool
	b.kind = func(_ context.Context, j job) error {
		got = map[string]bool{}
		for _, kv := range append(environ(), j.env...) {
			got[kv] = strings.HasPrefix(kv, "DOCKER_")
		}
		b.bringUp(t, j)
		return nil
	}
	b.client.MustCreate(clusterURN, clusterInputs())
	maps.DeleteFunc(got, func(_ string, docker bool) bool { return !docker })
	if !got["DOCKER_HOST=unix:///fake"] || got["DOCKER_CONTEXT=elsewhere"] {
		t.Errorf("the child's environment: %v", got)
	}
}
