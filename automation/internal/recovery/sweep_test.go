package recovery

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/dockertest"
	"github.com/meshwright/meshwright/internal/docker/mark"
)

// TestSweepTakesTheLabsOwn: a container is the lab's by its mount and its network;
// one that lacks any of them stays.
func TestSweepTakesTheLabsOwn(t *testing.T) {
	client := dockertest.Client(t)
	image, lab := dockertest.Image(t, client), dockertest.Name("lab")
	t.Setenv("DOCKER_HOST", client.Host())
	daemon, err := client.Daemon(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := Mark{Lab: lab, Dir: filepath.Join(t.TempDir(), "owner")}
	owner, err := mark.Ensure(m.Dir, lab, daemon)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(client.Remove(ctx, ids...), client.RemoveNetwork(ctx, lab), client.RemoveNetwork(ctx, lab+"-other")); err != nil {
			t.Error(err)
		}
	})
	network := func(name string, labels map[string]string) {
		t.Helper()
		if _, err := client.CreateNetwork(t.Context(), docker.NetworkSpec{Name: name, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	start := func(name, network, source string) {
		t.Helper()
		name = lab + "-" + name
		ids = append(ids, name)
		if _, err := client.Run(t.Context(), "run", "--detach", "--name", name, "--network", network, "--volume", source+":"+mark.OwnerMount+":ro", image, "/t", "wait"); err != nil {
			t.Fatal(err)
		}
	}
	network(lab, owner.Labels())
	network(lab+"-other", map[string]string{mark.LabLabel: lab, mark.OwnerLabel: "another"})
	start("node", lab, m.Dir)
	start("stopped", lab, m.Dir)
	if err := client.Stop(t.Context(), lab+"-stopped", 0); err != nil {
		t.Fatal(err)
	}
	start("elsewhere", "bridge", m.Dir)
	start("of-another", lab+"-other", m.Dir)

	// A container of others on the network stops it first.
	start("guest", lab, t.TempDir())
	if swept, err := Sweep(t.Context(), m); err == nil || len(swept.Containers)+len(swept.Networks) > 0 {
		t.Errorf("with a guest on the network: %+v, %v", swept, err)
	}
	if err := client.Remove(t.Context(), lab+"-guest"); err != nil {
		t.Fatal(err)
	}

	swept, err := Sweep(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(swept.Containers)
	if diff := cmp.Diff(&Swept{Containers: []string{lab + "-node", lab + "-stopped"}, Networks: []string{lab}}, swept); diff != "" {
		t.Errorf("swept (-want +got):\n%s", diff)
	}
	for _, name := range []string{"elsewhere", "of-another"} {
		if _, err := client.Container(t.Context(), lab+"-"+name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
