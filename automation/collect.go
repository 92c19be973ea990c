package automation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/mesh"
	evidence "github.com/meshwright/meshwright/mesh/collect"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/verify"
)

// CollectOptions say where a lab's evidence goes.
type CollectOptions struct {
	Path     string            // of the archive, a .tar.gz; its directory must exist
	Versions map[string]string // of the tools at work, for the index
	Progress func(what string) // hears what is being gathered; may be nil
}

// Collect gathers what is needed to find out what is wrong with the lab in one
// archive (0600): objects, events, logs, Envoy and istiod state, node logs and
// the stack's state. Secrets are taken out. A lab that is half up or half dead
// is collected as far as it answers; what could not be had is in the index.
func (l *Lab) Collect(ctx context.Context, o CollectOptions) (*evidence.Index, error) {
	if _, err := os.Stat(l.Dir()); err != nil {
		return nil, l.notUp()
	}
	var nodes []docker.Container
	client, owner, err := l.mark().Open(ctx)
	if err == nil && owner != nil {
		nodes, err = owner.Nodes(ctx, client)
	}
	targets, workload := l.collectTargets(ctx, client, nodes)
	files := append(l.stateFiles(), nodeFiles(client, nodes)...)
	if err != nil { // the index says why nodes are missing
		files = append(files, evidence.File{Name: "nodes", Read: func(context.Context) ([]byte, error) { return nil, err }})
	}
	return evidence.Run(ctx, targets, evidence.Options{
		Path: o.Path, Progress: o.Progress, Versions: o.Versions,
		Files:   append(files, verification(targets, workload)),
		Secrets: l.secrets(),
	})
}

// ArchiveName is the customary name of an archive of the lab's evidence.
func (l *Lab) ArchiveName() string {
	return fmt.Sprintf("meshwright-%s-%s.tar.gz", l.o.Name, time.Now().UTC().Format("20060102T150405Z"))
}

// collectTargets takes the clusters from the stack's outputs or, when there
// are none yet, from the nodes that run.
func (l *Lab) collectTargets(ctx context.Context, client *docker.Client, nodes []docker.Container) ([]mesh.Cluster, mesh.Workload) {
	if outputs, err := l.Outputs(ctx); err == nil {
		if targets, err := outputs.Targets(); err == nil && len(targets) > 0 {
			return targets, outputs.Workload()
		}
	}
	var targets []mesh.Cluster
	for _, n := range nodes {
		if n.Labels["io.x-k8s.kind.role"] != "control-plane" || !n.State.Running {
			continue
		}
		if t, err := l.targetOfNode(ctx, client, n); err == nil {
			targets = append(targets, t)
		}
	}
	return targets, mesh.Workload{}
}

// targetOfNode reads a control plane's own kubeconfig and points it at the
// port that is published on this machine.
func (l *Lab) targetOfNode(ctx context.Context, client *docker.Client, n docker.Container) (mesh.Cluster, error) {
	name := strings.TrimPrefix(n.Labels["io.x-k8s.kind.cluster"], l.o.Name+"-")
	text, err := client.Output(ctx, n.Name, "cat", "/etc/kubernetes/admin.conf")
	if err != nil {
		return mesh.Cluster{}, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		return mesh.Cluster{}, err
	}
	ports := n.Ports["6443/tcp"]
	if len(ports) == 0 {
		return mesh.Cluster{}, fmt.Errorf("%s publishes no API server", n.Name)
	}
	config.Host = "https://" + ports[0].HostIP + ":" + ports[0].HostPort
	return mesh.Cluster{Cluster: topology.Cluster{Name: name, ControlPlane: name}, Config: config}, nil
}

// verification is the report of one attempt at each check.
func verification(targets []mesh.Cluster, w mesh.Workload) evidence.File {
	return evidence.File{Name: "verify.json", Read: func(ctx context.Context) ([]byte, error) {
		r, err := verify.Run(ctx, verify.Options{Targets: targets, Workload: w, Once: true})
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = r.JSON(&b)
		return b.Bytes(), err
	}}
}

// nodeFiles are the containers' descriptions and the ends of the nodes' logs.
func nodeFiles(client *docker.Client, nodes []docker.Container) []evidence.File {
	var files []evidence.File
	for _, n := range nodes {
		dir := "nodes/" + n.Name + "/"
		files = append(files, evidence.File{Name: dir + "container.json", Read: func(context.Context) ([]byte, error) {
			return json.MarshalIndent(n, "", "  ")
		}})
		if !n.State.Running {
			continue
		}
		for name, argv := range map[string][]string{
			"kubelet.log":    {"journalctl", "--no-pager", "-n", "1000", "-u", "kubelet"},
			"containerd.log": {"journalctl", "--no-pager", "-n", "300", "-u", "containerd"},
			"routes.txt":     {"ip", "route"},
		} {
			files = append(files, evidence.File{Name: dir + name, Read: func(ctx context.Context) ([]byte, error) {
				ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
				defer cancel()
				return client.Output(ctx, n.Name, argv...)
			}})
		}
	}
	return files
}

// stateFiles are the stack's settings and state. The state's secrets are
// ciphertext already; they are left out all the same.
func (l *Lab) stateFiles() []evidence.File {
	names := map[string]string{"lab.json": l.recordFile()}
	for pattern, dir := range map[string]string{
		filepath.Join(l.Workspace(), "Pulumi*.yaml"):                      "settings/",
		filepath.Join(l.backendDir(), ".pulumi", "stacks", "*", "*.json"): "state/",
		backend.File(l.scenarioBackend("*"), "*"):                         "state/scenarios/",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // the patterns are well formed
		}
		for _, file := range found {
			names[dir+filepath.Base(file)] = file
		}
	}
	var files []evidence.File
	for name, path := range names {
		files = append(files, evidence.File{Name: name, Read: func(context.Context) ([]byte, error) {
			text, err := os.ReadFile(path)
			return ciphertext.ReplaceAll(text, []byte("${1}[redacted ciphertext]")), err
		}})
	}
	return files
}

// ciphertext matches encrypted values in a stack's state and settings, and the
// salt that the passphrase is stretched with.
var ciphertext = regexp.MustCompile(`("?(?:ciphertext|secure|salt|encryptionsalt)"?:\s*"?)[A-Za-z0-9+/=:._-]{8,}`)

// secrets are the secrets on this machine that are known by value.
func (l *Lab) secrets() []string {
	var out []string
	if text, err := os.ReadFile(l.passphraseFile()); err == nil {
		out = append(out, string(text))
	}
	config, err := clientcmd.LoadFromFile(l.KubeconfigFile())
	if err != nil {
		return out
	}
	for _, user := range config.AuthInfos {
		out = append(out, string(user.ClientKeyData), user.Token, user.Password)
	}
	return out
}
