package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// useLab runs the commands by which a user works with a lab that is up.
func useLab(t *testing.T, h *harness) {
	t.Run("status sees the clusters live", func(t *testing.T) { seeStatus(t, h) })
	t.Run("an image of this machine gets into every node", func(t *testing.T) { loadImage(t, h) })
	t.Run("contexts go into the user's kubeconfig beside others", func(t *testing.T) { mergeKubeconfig(t, h) })
}

func seeStatus(t *testing.T, h *harness) {
	status := decode[struct {
		Clusters []struct {
			Name string
			Live struct {
				Nodes, NodesReady int
				IstiodReady       bool
			}
		}
	}](t, h.must(t, "status", "--name", h.lab, "--output", "json").stdout)
	if len(status.Clusters) != 2 {
		t.Fatalf("%d clusters, want 2", len(status.Clusters))
	}
	for _, c := range status.Clusters {
		if c.Live.Nodes != 1 || c.Live.NodesReady != 1 || !c.Live.IstiodReady {
			t.Errorf("%s: %+v, want one ready node and a ready istiod", c.Name, c.Live)
		}
	}
}

func loadImage(t *testing.T, h *harness) {
	const image = "meshwright.test/e2e:1"
	file := filepath.Join(t.TempDir(), "layer.tar")
	if out, err := exec.CommandContext(t.Context(), "tar", "-cf", file, "-C", h.root, "go.mod", "go.sum").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	h.dockerOutput(t, "import", file, image)
	t.Cleanup(func() { h.cleanup(t, "image", "rm", image) })
	h.must(t, "load", "--name", h.lab, image)
	for _, cluster := range []string{"cluster1", "cluster2"} {
		images := h.dockerOutput(t, "exec", h.lab+"-"+cluster+"-control-plane", "ctr", "--namespace", "k8s.io", "images", "ls", "-q")
		if !strings.Contains(images, image) {
			t.Errorf("%s: no %s among\n%s", cluster, image, images)
		}
	}
	if r := h.run(t, "load", "--name", h.lab, "meshwright.test/none:1"); r.code == 0 || !strings.Contains(r.stderr, "docker pull") {
		t.Errorf("an image that is not there: exit code %d\n%s", r.code, r.stderr)
	}
}

func mergeKubeconfig(t *testing.T, h *harness) {
	mine := filepath.Join(t.TempDir(), "kubeconfig")
	before := api.NewConfig()
	before.Clusters["work"] = &api.Cluster{Server: "https://work.invalid"}
	before.AuthInfos["me"] = &api.AuthInfo{Token: "mine"}
	before.Contexts["work"] = &api.Context{Cluster: "work", AuthInfo: "me"}
	before.CurrentContext = "work"
	if err := clientcmd.WriteToFile(*before, mine); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), h.Path, "kubeconfig", "--merge", "--name", h.lab)
	cmd.Dir, cmd.Env = h.root, append(h.Environment(), "KUBECONFIG="+mine)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubeconfig --merge: %v\n%s", err, out)
	} else {
		h.remember(string(out))
	}
	after, err := clientcmd.LoadFromFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	if after.CurrentContext != "work" || after.AuthInfos["me"] == nil || after.AuthInfos["me"].Token != "mine" {
		t.Errorf("what was there changed: context %q", after.CurrentContext)
	}
	for _, cluster := range []string{"cluster1", "cluster2"} {
		if after.Contexts[cluster] == nil {
			t.Errorf("no context %s", cluster)
			continue
		}
		nodes := h.tool(t, []string{"KUBECONFIG=" + mine}, "kubectl", "--context", cluster, "get", "nodes", "-o", "name")
		if !strings.Contains(nodes, h.lab+"-"+cluster) {
			t.Errorf("context %s leads to %s", cluster, nodes)
		}
	}
	if info, err := os.Stat(mine); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: %v, %v", info.Mode(), err)
	}
}
