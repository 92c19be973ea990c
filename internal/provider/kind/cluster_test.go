package kind

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

var (
	networkURN = pt.URN(string(networkType), "net")
	clusterURN = pt.URN(string(clusterType), "c1")
)

func networkInputs() resource.PropertyMap {
	return pt.Obj("name", "lab-net", "lab", "lab", "subnet", "10.192.0.0/20", "ipRange", "10.192.0.0/21")
}

func clusterInputs(labels ...any) resource.PropertyMap {
	return pt.Obj("name", "lab-c1", "lab", "lab", "network", "lab-net", "image", "node:1", "context", "c1",
		"podSubnet", "10.10.0.0/16", "serviceSubnet", "10.110.0.0/16", "wait", 0.0,
		"nodes", pt.Arr(
			pt.Obj("role", "control-plane", "labels", pt.Obj(labels...)),
			pt.Obj("role", "worker", "labels", pt.Obj("a", "b"))))
}

// lab is a bench with a network.
func lab(t *testing.T) (*bench, *pt.Resource) {
	b := newBench(t)
	return b, b.client.MustCreate(networkURN, networkInputs())
}

func TestClusterLife(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	r := b.client.MustCreate(clusterURN, clusterInputs("region", "r1", "gone", "x"))

	if r.ID != "lab-c1" {
		t.Errorf("id = %s", r.ID)
	}
	if got := r.Outputs["kubeconfig"]; !got.IsSecret() || !strings.Contains(got.SecretValue().Element.StringValue(), "https://127.0.0.1:40001") {
		t.Error("kubeconfig is not a secret with the port on this machine")
	}
	if got := r.Outputs["server"].StringValue(); got != "https://lab-c1-control-plane:6443" {
		t.Errorf("server = %s", got)
	}
	if d := cmp.Diff([]string{"lab-c1-control-plane", "lab-c1-worker"}, b.names()); d != "" {
		t.Error(d)
	}
	for _, node := range b.names() {
		if !slices.ContainsFunc(b.commands, func(c string) bool {
			return strings.HasPrefix(c, node+": ") && strings.Contains(c, "systemctl enable --quiet forget-network.service")
		}) {
			t.Errorf("node %s is not prepared for restarts", node)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.labDir("lab"), "kind-*")); len(left) > 0 {
		t.Errorf("kind's kubeconfig was left: %v", left)
	}
	if diff := b.client.Diff(r, clusterInputs("region", "r1", "gone", "x")); diff.GetChanges() != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("no-op diff = %v", diff)
	}

	// Labels change in place, by the node's own kubectl.
	news := clusterInputs("region", "r2")
	diff := b.client.Diff(r, news)
	if len(diff.GetReplaces()) > 0 || diff.GetChanges() != pulumirpc.DiffResponse_DIFF_SOME {
		t.Errorf("label diff = %v", diff)
	}
	r, err := b.client.Update(t.Context(), r, news)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"kubernetes.io/hostname": "lab-c1-control-plane", "region": "r2"}
	if d := cmp.Diff(want, b.labels["lab-c1-control-plane"]); d != "" {
		t.Error(d)
	}
	if !r.Outputs["kubeconfig"].IsSecret() {
		t.Error("kubeconfig lost its secret mark in the update")
	}

	// Drift of a label, then of a whole node.
	b.labels["lab-c1-control-plane"]["region"] = "by hand"
	drifted, err := b.client.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := b.client.Diff(drifted, news); !slices.Equal(diff.GetDiffs(), []string{"nodes"}) || len(diff.GetReplaces()) > 0 {
		t.Errorf("diff after a label drifted = %v", diff)
	}
	if r, err = b.client.Update(t.Context(), drifted, news); err != nil || b.labels["lab-c1-control-plane"]["region"] != "r2" {
		t.Errorf("repair: %v, labels %v", err, b.labels)
	}
	b.containers = slices.DeleteFunc(b.containers, func(c docker.Container) bool { return strings.Contains(c.Name, "worker") })
	if drifted, err = b.client.Read(r); err != nil {
		t.Fatal(err)
	}
	if diff := b.client.Diff(drifted, news); !slices.Equal(diff.GetReplaces(), []string{"nodes"}) {
		t.Errorf("diff after a node vanished = %v", diff)
	}

	b.client.ExpectGone(t, r)
}

func TestClusterReplacement(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	r := b.client.MustCreate(clusterURN, clusterInputs())
	tests := map[string]struct {
		key  string
		to   any
		want bool
	}{
		"image":          {"image", "node:2", true},
		"network":        {"network", "other", true},
		"pod subnet":     {"podSubnet", "10.11.0.0/16", true},
		"patches":        {"kubeadmConfigPatches", pt.Arr("x"), true},
		"fewer nodes":    {"nodes", pt.Arr(pt.Obj("role", "control-plane")), true},
		"unknown nodes":  {"nodes", provider.Unknown(), true},
		"unknown image":  {"image", provider.Unknown(), true},
		"wait":           {"wait", 60.0, false},
		"context":        {"context", "other", false},
		"an unknown one": {"context", provider.Unknown(), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			news := clusterInputs()
			news[resource.PropertyKey(tt.key)] = pt.Obj("v", tt.to)["v"]
			diff := b.client.Diff(r, news)
			if got := slices.Contains(diff.GetReplaces(), tt.key); got != tt.want || !slices.Contains(diff.GetDiffs(), tt.key) {
				t.Errorf("diff = %v", diff)
			}
			if !diff.GetDeleteBeforeReplace() {
				t.Error("the old cluster must go first: names are the same")
			}
		})
	}
}

func TestClusterPreview(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.kind = func(context.Context, job) error { t.Error("a preview ran kind"); return nil }
	tests := map[string]struct {
		change resource.PropertyMap
		want   resource.PropertyMap
	}{
		"planned": {nil, pt.Obj("server", "https://lab-c1-control-plane:6443", "context", "c1",
			"nodeNames", pt.Arr("lab-c1-control-plane", "lab-c1-worker"), "clusterID", provider.Unknown())},
		"unknown labels": {
			pt.Obj("nodes", pt.Arr(pt.Obj("role", "control-plane", "labels", pt.Obj("a", provider.Unknown())))),
			pt.Obj("nodeNames", pt.Arr("lab-c1-control-plane")),
		},
		"unknown name": {
			pt.Obj("name", provider.Unknown()),
			pt.Obj("server", provider.Unknown(), "nodeNames", provider.Unknown(), "name", provider.Unknown()),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := b.client.Preview(clusterURN, pt.With(clusterInputs(), tt.change))
			for k, v := range tt.want {
				if !got[k].DeepEquals(v) {
					t.Errorf("%s = %v, want %v", k, got[k], v)
				}
			}
			if v := got["kubeconfig"]; !v.IsSecret() || !v.SecretValue().Element.IsComputed() {
				t.Errorf("kubeconfig = %v, want an unknown secret", v)
			}
		})
	}
	if _, err := os.Stat(b.labDir("lab")); err == nil {
		t.Error("a preview made the lab's directory")
	}
}

func TestClusterCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change resource.PropertyMap
		want   string // part of the only failure; empty: none
	}{
		"good":                    {nil, ""},
		"unknowns":                {pt.Obj("name", provider.Unknown(), "image", provider.Unknown(), "nodes", provider.Unknown()), ""},
		"an unknown node":         {pt.Obj("nodes", pt.Arr(pt.Obj("role", provider.Unknown()))), ""},
		"bad name":                {pt.Obj("name", "Lab_1"), "name: "},
		"long name":               {pt.Obj("name", strings.Repeat("a", 51)), "name: "},
		"no lab":                  {pt.Obj("lab", ""), "lab: "},
		"bad CIDR":                {pt.Obj("podSubnet", "10.1.2.3/16"), "podSubnet: "},
		"two control planes":      {pt.Obj("nodes", pt.Arr(pt.Obj(), pt.Obj("role", "control-plane"))), "nodes: "},
		"bad role":                {pt.Obj("nodes", pt.Arr(pt.Obj(), pt.Obj("role", "x"))), "nodes[1].role: "},
		"bad label":               {pt.Obj("nodes", pt.Arr(pt.Obj("labels", pt.Obj("a b", "c")))), "nodes[0].labels: "},
		"a property that is none": {pt.Obj("nmae", "x"), `unknown property "nmae"`},
		"a wrong type":            {pt.Obj("wait", "soon"), `property "wait"`},
	}
	b := newBench(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b.client.ExpectFailure(t, clusterURN, pt.With(clusterInputs(), tt.change), tt.want)
		})
	}
}

func TestForeignIsRefusedAndLeft(t *testing.T) {
	t.Parallel()
	ownerDir := func(b *bench) string { return filepath.Join(b.labDir("lab"), "owner") }
	tests := map[string]func(b *bench){
		"kind's own cluster of that name": func(b *bench) {
			b.addNode("lab-c1", "lab-c1-control-plane", "kind", "", nil)
		},
		"a container of a node's name": func(b *bench) {
			b.addNode("other", "lab-c1-worker", "lab-net", "", nil)
		},
		"our network, another mount": func(b *bench) {
			b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", "/elsewhere", nil)
		},
		"our mount, another network": func(b *bench) {
			b.addNode("lab-c1", "lab-c1-control-plane", "kind", ownerDir(b), nil)
		},
		"our mount and network, another owner file": func(b *bench) {
			b.owners["lab-c1-control-plane"] = `{"lab":"lab","owner":"someone else"}`
			b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", ownerDir(b), nil)
		},
		"a writable mount": func(b *bench) {
			b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", ownerDir(b), nil)
			b.containers[0].Mounts[0].RW = true
		},
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			b, _ := lab(t)
			arrange(b)
			before := b.names()
			if _, err := b.client.Create(t.Context(), clusterURN, clusterInputs()); err == nil || !strings.Contains(err.Error(), "is not a node of the lab") {
				t.Errorf("create: %v", err)
			}
			state := &pt.Resource{URN: clusterURN, ID: "lab-c1", Inputs: clusterInputs(), Outputs: clusterInputs()}
			if gone, err := b.client.Read(state); gone != nil || err != nil {
				t.Errorf("Read = %v, %v", gone, err)
			}
			if err := b.client.Delete(t.Context(), state); err == nil {
				t.Error("it was deleted")
			}
			if d := cmp.Diff(before, b.names()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHalfMadeClusterIsRemovedFirst(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", filepath.Join(b.labDir("lab"), "owner"), nil)
	old := b.containers[0].ID
	r := b.client.MustCreate(clusterURN, clusterInputs())
	if r.Outputs["clusterID"].StringValue() == old || len(b.containers) != 2 {
		t.Errorf("the half-made cluster is still there: %v", b.names())
	}
}

func TestNodeThatVanishesIsNoForeigner(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", filepath.Join(b.labDir("lab"), "owner"), nil)
	b.vanishing = true
	b.kind = func(_ context.Context, j job) error {
		b.vanishing = false
		b.bringUp(t, j)
		return nil
	}
	if r := b.client.MustCreate(clusterURN, clusterInputs()); r.ID != "lab-c1" {
		t.Errorf("ID = %q", r.ID)
	}
}

func TestFailedCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	b.kind = func(_ context.Context, j job) error {
		b.bringUp(t, j)
		j.line("• Starting control-plane 🕹️  ...")
		j.line("ERROR: kubeadm failed, says kind")
		return errors.New("exit status 1")
	}
	_, err := b.client.Create(t.Context(), clusterURN, clusterInputs())
	if err == nil || !strings.Contains(err.Error(), "kubeadm failed, says kind") {
		t.Errorf("err = %v", err)
	}
	if len(b.containers) > 0 {
		t.Errorf("left: %v", b.names())
	}
}

// cancelledCreate cancels a create once kind is running, and returns what came of
// it and how long that took.
func (b *bench) cancelledCreate(running <-chan struct{}) (took time.Duration, err error) {
	failed := make(chan error)
	go func() {
		_, err := b.client.Create(context.Background(), clusterURN, clusterInputs())
		failed <- err
	}()
	<-running
	start := time.Now()
	b.client.Cancel()
	err = <-failed
	return time.Since(start), err
}

func TestCancelledCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	running := make(chan struct{})
	b.kind = func(ctx context.Context, j job) error {
		b.bringUp(t, j)
		close(running)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	took, err := b.cancelledCreate(running)
	if err == nil || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("err = %v", err)
	}
	if took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(b.containers) > 0 {
		t.Errorf("left: %v", b.names())
	}
}

// A docker command that is killed leaves the daemon with its request.
func TestNodeThatComesLateIsRemoved(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	b.coming = map[string]bool{"lab-c1-control-plane": true}
	running := make(chan struct{})
	b.kind = func(ctx context.Context, j job) error {
		j.line("• Preparing nodes 📦   ...")
		close(running)
		<-ctx.Done()
		time.AfterFunc(lateNodes+time.Second, func() { b.bringUp(t, j) })
		return context.Cause(ctx)
	}
	if _, err := b.cancelledCreate(running); err == nil || !strings.Contains(err.Error(), "has been removed") {
		t.Errorf("err = %v", err)
	}
	if b.serial < 3 || len(b.names()) > 0 { // the network and two nodes were made
		t.Errorf("made %d, left %v", b.serial, b.names())
	}
}

// Two choose one port at once; a run that was killed leaves nobody to wait for its node.
func TestWhatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, words := range []string{
		"Bind for 127.0.0.1:40001 failed: port is already allocated.",
		`ERROR: node(s) already exist for a cluster with the name "lab-c1"`,
		`Conflict. The container name "/lab-c1-control-plane" is already in use by container "1be4".`,
	} {
		b, _ := lab(t)
		tries := 0
		b.kind = func(_ context.Context, j job) error {
			b.bringUp(t, j)
			if tries++; tries < 2 {
				j.line(words)
				return errors.New("exit status 1")
			}
			return nil
		}
		b.client.MustCreate(clusterURN, clusterInputs())
		if tries != 2 || len(b.names()) != 2 {
			t.Errorf("%s: %d tries, nodes %v", words, tries, b.names())
		}
	}
}

func TestNotReadyIsKeptWithItsLastState(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	b.notReady = true
	inputs := clusterInputs()
	inputs["wait"] = resource.NewNumberProperty(1)
	_, err := b.client.Create(t.Context(), clusterURN, inputs)
	var partial *pt.InitError
	if !errors.As(err, &partial) {
		t.Fatalf("err = %v", err)
	}
	if partial.Resource.ID != "lab-c1" || !partial.Resource.Outputs["kubeconfig"].IsSecret() {
		t.Errorf("kept: %v", partial.Resource.ID)
	}
	if !strings.Contains(partial.Error(), "container runtime network not ready") {
		t.Errorf("reasons: %v", partial.Reasons)
	}
	b.notReady = false
	if _, err := b.client.Update(t.Context(), partial.Resource, inputs); err != nil {
		t.Errorf("the next update: %v", err)
	}
}

func TestMissingImageNamesTheKit(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	inputs := clusterInputs()
	inputs["image"] = resource.NewStringProperty("meshwright/node:v1-abc")
	if _, err := b.client.Create(t.Context(), clusterURN, inputs); err == nil || !strings.Contains(err.Error(), "meshwright airgap build") {
		t.Errorf("err = %v", err)
	}
}

func TestBusyRemovalIsTriedAgain(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	r := b.client.MustCreate(clusterURN, clusterInputs())
	b.busy = 1
	if err := b.client.Delete(t.Context(), r); err != nil {
		t.Error(err)
	}
	if len(b.containers) > 0 {
		t.Errorf("left: %v", b.names())
	}
}
