package kind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/dockertest"
	"github.com/meshwright/meshwright/internal/paths"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// liveLab is a lab on the machine's Docker, with the kit's node image.
type liveLab struct {
	docker  *docker.Client
	client  *pt.Client
	state   string
	name    string
	image   string
	number  uint8 // of its network, in a range that no stack has
	network *pt.Resource
}

// The labs of this process are numbered from where those of another hardly are.
var (
	firstLab = rand.Uint32N(256)
	moreLabs atomic.Uint32
)

// live skips unless MESHWRIGHT_E2E=1: a cluster takes about 20 seconds and half
// a gigabyte.
func live(t *testing.T) *liveLab {
	t.Helper()
	if os.Getenv("MESHWRIGHT_E2E") != "1" {
		t.Skip("set MESHWRIGHT_E2E=1 to make real clusters")
	}
	set, err := artifacts.Load(paths.Kit())
	if err != nil {
		t.Fatal(err)
	}
	l := &liveLab{
		docker: dockertest.Client(t), state: t.TempDir(), image: set.NodeImage.Name,
		name: fmt.Sprintf("mwtest%05d", rand.IntN(100000)), number: uint8(firstLab + moreLabs.Add(1)), //nolint:gosec // modulo 256
	}
	l.connect(t)
	l.network = l.client.MustCreate(networkURN, pt.Obj("name", l.name, "lab", l.name, "subnet", l.subnet(), "ipRange", l.ipRange()))
	t.Cleanup(func() {
		l.connect(t) // the test's own connection is closed by now
		if err := l.client.Delete(context.Background(), l.network); err != nil {
			t.Error(err)
		}
		left, err := l.docker.Containers(context.Background(), docker.Filter{Labels: map[string]string{clusterLabel: l.cluster()}})
		if err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
	return l
}

// connect makes a fresh provider, as a new run of the engine has.
func (l *liveLab) connect(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	l.client = pt.Serve(t, func() plugin.Provider {
		return New(Options{Executable: self(t), StateDir: l.state, Backend: "file:///live", Log: log})
	})
}

func (l *liveLab) subnet() string  { return fmt.Sprintf("10.223.%d.0/24", l.number) }
func (l *liveLab) ipRange() string { return fmt.Sprintf("10.223.%d.0/25", l.number) }
func (l *liveLab) cluster() string { return l.name + "-c1" }

func (l *liveLab) inputs(labels ...any) resource.PropertyMap {
	return pt.Obj("name", l.cluster(), "lab", l.name, "network", l.name, "image", l.image, "context", "c1",
		"podSubnet", "10.90.0.0/16", "serviceSubnet", "10.190.0.0/16", "wait", 120.0,
		"nodes", pt.Arr(pt.Obj("role", "control-plane", "labels", pt.Obj(labels...))))
}

func (l *liveLab) nodes(t *testing.T) []docker.Container {
	t.Helper()
	nodes, err := l.docker.Containers(t.Context(), docker.Filter{Labels: map[string]string{clusterLabel: l.cluster()}})
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestLiveCluster(t *testing.T) {
	t.Parallel()
	l := live(t)
	home := snapshot(t, os.Getenv("HOME")+"/.kube/config")
	start := time.Now()
	r := l.client.MustCreate(clusterURN, l.inputs("topology.kubernetes.io/region", "r1", "own", "x"))
	t.Logf("create: %s", time.Since(start).Round(100*time.Millisecond))

	// The kubeconfig works from here, and its labels are there.
	if got := l.liveLabels(t, r); got["topology.kubernetes.io/region"] != "r1" || got["own"] != "x" {
		t.Errorf("labels = %v", got)
	}
	if got := l.nodes(t)[0].Networks; len(got) != 1 || got[l.name].NetworkID != string(l.network.ID) {
		t.Errorf("networks = %v", got)
	}

	// A refresh sees no change, with a provider that has no memory.
	l.connect(t)
	start = time.Now()
	read, err := l.client.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("read: %s", time.Since(start).Round(10*time.Millisecond))
	if d := cmp.Diff(r.Outputs, read.Outputs); d != "" {
		t.Errorf("refresh: %s", d)
	}
	same := l.inputs("topology.kubernetes.io/region", "r1", "own", "x")
	if d := l.client.Diff(read, same); d.GetChanges() != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("no-op diff = %v", d)
	}

	// Labels change in place, and outlive a restart of the node.
	node := l.nodes(t)[0]
	id := node.ID
	start = time.Now()
	if r, err = l.client.Update(t.Context(), read, l.inputs("topology.kubernetes.io/region", "r2")); err != nil {
		t.Fatal(err)
	}
	t.Logf("label update: %s", time.Since(start).Round(10*time.Millisecond))
	check := func() {
		t.Helper()
		got := l.liveLabels(t, r)
		if _, ok := got["own"]; ok || got["topology.kubernetes.io/region"] != "r2" {
			t.Errorf("labels = %v", got)
		}
	}
	check()
	if l.nodes(t)[0].ID != id {
		t.Error("the node was recreated")
	}
	if err := errors.Join(l.docker.Stop(t.Context(), id, 10*time.Second), l.docker.Start(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	if r, err = l.client.Update(t.Context(), r, r.Inputs); err != nil { // waits for Ready
		t.Fatal(err)
	}
	check()

	// Drift of a label.
	if _, err := kubectl(t.Context(), l.docker, id, "label", "--overwrite", "nodes", "--all", "topology.kubernetes.io/region=hand"); err != nil {
		t.Fatal(err)
	}
	if read, err = l.client.Read(r); err != nil {
		t.Fatal(err)
	}
	if d := l.client.Diff(read, r.Inputs); !slices.Equal(d.GetDiffs(), []string{"nodes"}) || len(d.GetReplaces()) > 0 {
		t.Errorf("diff after drift = %v", d)
	}

	// A stopped cluster is still there, and can be deleted.
	if err := l.docker.Stop(t.Context(), id, time.Second); err != nil {
		t.Fatal(err)
	}
	if read, err = l.client.Read(r); err != nil || read == nil {
		t.Errorf("Read of a stopped cluster = %v, %v", read, err)
	}
	start = time.Now()
	if err := l.client.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	t.Logf("delete: %s", time.Since(start).Round(10*time.Millisecond))
	if n := l.nodes(t); len(n) > 0 {
		t.Errorf("left: %v", n)
	}
	volumes, err := l.docker.Run(t.Context(), "volume", "ls", "--quiet")
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, m := range node.Mounts {
		if m.Type != "volume" {
			continue
		}
		if own++; strings.Contains(string(volumes), m.Name) {
			t.Errorf("the node's volume at %s was left", m.Destination)
		}
	}
	if own == 0 {
		t.Error("the node had no volume")
	}
	if err := l.client.Delete(t.Context(), r); err != nil {
		t.Errorf("Delete of what is gone: %v", err)
	}
	if d := cmp.Diff(home, snapshot(t, os.Getenv("HOME")+"/.kube/config")); d != "" {
		t.Error("the user's kubeconfig changed")
	}
}

func TestLiveWorker(t *testing.T) {
	t.Parallel()
	l := live(t)
	inputs := l.inputs("topology.kubernetes.io/zone", "z1")
	inputs["nodes"] = pt.Arr(inputs["nodes"].ArrayValue()[0], pt.Obj("role", "worker", "labels", pt.Obj("topology.kubernetes.io/zone", "z2")))
	r := l.client.MustCreate(clusterURN, inputs)
	zones := func() map[string]string {
		t.Helper()
		all, err := nodeLabels(t.Context(), l.docker, l.cluster()+"-control-plane")
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for name, labels := range all {
			out[strings.TrimPrefix(name, l.cluster()+"-")] = labels["topology.kubernetes.io/zone"]
		}
		return out
	}
	if d := cmp.Diff(map[string]string{"control-plane": "z1", "worker": "z2"}, zones()); d != "" {
		t.Error(d)
	}
	inputs["nodes"].ArrayValue()[1].ObjectValue()["labels"] = resource.NewObjectProperty(pt.Obj("topology.kubernetes.io/zone", "z3"))
	r, err := l.client.Update(t.Context(), r, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"control-plane": "z1", "worker": "z3"}, zones()); d != "" {
		t.Error(d)
	}
	if err := l.docker.Remove(t.Context(), l.cluster()+"-worker"); err != nil {
		t.Fatal(err)
	}
	read, err := l.client.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	if d := l.client.Diff(read, inputs); !slices.Equal(d.GetReplaces(), []string{"nodes"}) {
		t.Errorf("diff without the worker = %v", d)
	}
	if err := l.client.Delete(t.Context(), read); err != nil {
		t.Fatal(err)
	}
}

func TestLiveDeletedByHandIsNoticed(t *testing.T) {
	t.Parallel()
	l := live(t)
	inputs := l.inputs()
	inputs["wait"] = resource.NewNumberProperty(0)
	r := l.client.MustCreate(clusterURN, inputs)
	if err := l.docker.Remove(t.Context(), l.nodes(t)[0].ID); err != nil {
		t.Fatal(err)
	}
	if read, err := l.client.Read(r); read != nil || err != nil {
		t.Errorf("Read = %v, %v", read, err)
	}
}

func TestLiveForeignClusterIsLeft(t *testing.T) {
	l := live(t)
	// As another's kind would have made it: the name and the labels, not the mount.
	name := l.cluster() + "-control-plane"
	if _, err := l.docker.Run(t.Context(), "create", "--name", name, "--network", l.name,
		"--label", clusterLabel+"="+l.cluster(), "--label", "io.x-k8s.kind.role=control-plane", l.image); err != nil {
		t.Fatal(err)
	}
	before := l.nodes(t)
	t.Cleanup(func() {
		if err := l.docker.Remove(context.Background(), before[0].ID); err != nil {
			t.Error(err)
		}
	})
	if _, err := l.client.Create(t.Context(), clusterURN, l.inputs()); err == nil || !strings.Contains(err.Error(), "is not a node of the lab") {
		t.Errorf("create: %v", err)
	}
	state := &pt.Resource{URN: clusterURN, ID: resource.ID(l.cluster()), Inputs: l.inputs(), Outputs: l.inputs()}
	if err := l.client.Delete(t.Context(), state); err == nil {
		t.Error("it was deleted")
	}
	if err := l.client.Delete(t.Context(), l.network); err == nil {
		t.Error("the network was removed under it")
	}
	if d := cmp.Diff(before, l.nodes(t)); d != "" {
		t.Error(d)
	}
}

func TestLiveCancelLeavesNothing(t *testing.T) {
	l := live(t)
	volumes := l.volumes(t)
	for _, after := range []time.Duration{100 * time.Millisecond, 700 * time.Millisecond, 5 * time.Second} {
		l.connect(t)
		failed := make(chan error)
		go func() {
			_, err := l.client.Create(context.Background(), clusterURN, l.inputs())
			failed <- err
		}()
		time.Sleep(after)
		start := time.Now()
		l.client.Cancel()
		err := <-failed
		took := time.Since(start)
		t.Logf("cancelled after %s: it took %s: %v", after, took.Round(10*time.Millisecond), err)
		if err == nil || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("err = %v", err)
		}
		// It takes under 2 s by itself: the rest is for a daemon that is busy with
		// what other tests ask of it.
		if took > 15*time.Second {
			t.Errorf("cancelled after %s: it took %s", after, took)
		}
		if n := l.nodes(t); len(n) > 0 {
			t.Errorf("cancelled after %s: left %v", after, n)
		}
	}
	l.noneSince(t, volumes)
}

// TestLiveKilledCreate kills the process that serves the provider during
// a create. Nothing must run on, and the next create must succeed.
func TestLiveKilledCreate(t *testing.T) {
	t.Parallel()
	l := live(t)
	victim := exec.Command(self(t), "victim", l.state, l.name, l.image)
	victim.Env = os.Environ()
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	for range 300 { // until there is a node, half-made
		if len(l.nodes(t)) > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	half := l.nodes(t)
	if len(half) != 1 {
		t.Fatalf("%d nodes after the kill", len(half))
	}
	for range 100 {
		if out, _ := exec.Command("pgrep", "-f", l.cluster()).Output(); len(out) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if out, _ := exec.Command("pgrep", "-fa", l.cluster()).Output(); len(out) > 0 {
		t.Errorf("still running: %s", out)
	}
	r := l.client.MustCreate(clusterURN, l.inputs())
	if n := l.nodes(t); len(n) != 1 || n[0].ID == half[0].ID {
		t.Errorf("nodes: %v", n)
	}
	if err := l.client.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// victimMain is the process that TestLiveKilledCreate kills.
func victimMain(state, name, image string) {
	l := &liveLab{state: state, name: name, image: image}
	exe, _ := os.Executable()
	p := New(Options{Executable: exe, StateDir: state, Backend: "file:///live"})
	_, err := p.Create(context.Background(), plugin.CreateRequest{URN: clusterURN, Type: clusterType, Properties: l.inputs()})
	fmt.Fprintln(os.Stderr, err)
}

func (l *liveLab) liveLabels(t *testing.T, r *pt.Resource) map[string]string {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(r.Outputs["kubeconfig"].SecretValue().Element.StringValue()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("nodes: %v", err)
	}
	return list.Items[0].Labels
}

// volumes lists those that no container has.
func (l *liveLab) volumes(t *testing.T) []string {
	t.Helper()
	out, err := l.docker.Run(t.Context(), "volume", "ls", "--quiet", "--filter", "dangling=true")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// noneSince checks that none was left since. Other labs come and go meanwhile, whose
// volumes are nobody's for a moment.
func (l *liveLab) noneSince(t *testing.T, before []string) {
	t.Helper()
	var left []string
	for range 10 {
		left = slices.DeleteFunc(l.volumes(t), func(v string) bool { return slices.Contains(before, v) })
		if len(left) == 0 {
			return
		}
		time.Sleep(time.Second)
	}
	t.Errorf("volumes left: %v", left)
}

func snapshot(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime(), info.Size())
}
