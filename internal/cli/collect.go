package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/verify"
	"github.com/meshwright/meshwright/automation/verify/collect"
	"github.com/meshwright/meshwright/internal/docker"
)

func newCollectCmd(a *App) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Gather logs and dumps of a lab in one archive, without secrets",
		Long: `Gather what is needed to find out what is wrong with a lab: objects, events, logs,
Envoy and istiod state, node logs and the stack's state, in one archive that only
you can read. Private keys, tokens and kubeconfig credentials are taken out, and
the data of Secrets is never read. A lab that is half up or half dead is collected
as far as it answers.`,
		Example: `  meshwright collect
  meshwright collect --file /tmp/dev.tar.gz`,
		Args: cobra.NoArgs,
	}
	f := addLabFlags(cmd)
	cmd.Flags().StringVarP(&path, "file", "f", "", "the archive (default: meshwright-<lab>-<time>.tar.gz in this directory)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		lab, err := a.lab(ctx, f, nil)
		if err != nil {
			return err
		}
		if _, err := os.Stat(lab.Dir()); err != nil {
			return &automation.NotUpError{Lab: lab.Name()}
		}
		if path == "" {
			path = archiveName(lab)
		}
		step := a.UI.Start("collect")
		index, err := a.collect(ctx, lab, path, step.Update)
		if err != nil {
			step.Fail(err)
			return err
		}
		note := fmt.Sprintf("%d files", len(index.Files))
		if n := len(index.Missing); n > 0 {
			note += fmt.Sprintf(", %d could not be had (see index.json)", n)
		}
		step.Done(note)
		_, err = fmt.Fprintln(a.Out, path)
		return err
	}
	return cmd
}

func archiveName(lab *automation.Lab) string {
	return fmt.Sprintf("meshwright-%s-%s.tar.gz", lab.Name(), time.Now().UTC().Format("20060102T150405Z"))
}

// CollectEvidence is App.Collect: the archive goes to the lab's private
// directory.
func (a *App) CollectEvidence(ctx context.Context, lab *automation.Lab) (string, error) {
	path := filepath.Join(lab.Dir(), archiveName(lab))
	_, err := a.collect(ctx, lab, path, nil)
	return path, err
}

func (a *App) collect(ctx context.Context, lab *automation.Lab, path string, progress func(string)) (*collect.Index, error) {
	targets, workload := collectTargets(ctx, lab)
	return collect.Run(ctx, targets, workload, collect.Options{
		Path: path, Progress: progress,
		Versions: map[string]string{"meshwright": a.Version},
		Files:    append(stateFiles(lab), nodeFiles(ctx, lab)...),
		Secrets:  labSecrets(lab),
	})
}

// collectTargets takes the clusters from the stack's outputs or, when there
// are none yet, from the nodes that run.
func collectTargets(ctx context.Context, lab *automation.Lab) ([]verify.Target, verify.Workload) {
	if outputs, err := lab.Outputs(ctx); err == nil {
		if targets, err := outputs.Targets(); err == nil && len(targets) > 0 {
			return targets, outputs.Workload()
		}
	}
	var targets []verify.Target
	for _, node := range labNodes(ctx, lab) {
		if node.container.Labels["io.x-k8s.kind.role"] != "control-plane" || !node.container.State.Running {
			continue
		}
		if t, err := targetOfNode(ctx, lab, node); err == nil {
			targets = append(targets, t)
		}
	}
	return targets, verify.Workload{}
}

// node is a container of the lab.
type node struct {
	docker    *docker.Client
	container docker.Container
}

// labNodes are the node containers that carry this lab's owner file. Without a
// Docker that answers there are none.
func labNodes(ctx context.Context, lab *automation.Lab) []node {
	client, err := docker.Find(ctx)
	if err != nil {
		return nil
	}
	list, err := client.Containers(ctx, docker.Filter{MountSource: filepath.Join(lab.Dir(), "owner")})
	if err != nil {
		return nil
	}
	nodes := make([]node, len(list))
	for i, c := range list {
		nodes[i] = node{client, c}
	}
	return nodes
}

// targetOfNode reads a control plane's own kubeconfig and points it at the
// port that is published on this machine.
func targetOfNode(ctx context.Context, lab *automation.Lab, n node) (verify.Target, error) {
	name := strings.TrimPrefix(n.container.Labels["io.x-k8s.kind.cluster"], lab.Name()+"-")
	text, err := n.docker.Output(ctx, n.container.Name, "cat", "/etc/kubernetes/admin.conf")
	if err != nil {
		return verify.Target{}, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		return verify.Target{}, err
	}
	ports := n.container.Ports["6443/tcp"]
	if len(ports) == 0 {
		return verify.Target{}, fmt.Errorf("%s publishes no API server", n.container.Name)
	}
	config.Host = "https://" + ports[0].HostIP + ":" + ports[0].HostPort
	return verify.Target{Name: name, ControlPlane: name, Config: config}, nil
}

// nodeFiles are the containers' descriptions and the ends of the nodes' logs.
func nodeFiles(ctx context.Context, lab *automation.Lab) []collect.File {
	var files []collect.File
	for _, n := range labNodes(ctx, lab) {
		dir := "nodes/" + n.container.Name + "/"
		files = append(files, collect.File{Name: dir + "container.json", Read: func(context.Context) ([]byte, error) {
			return json.MarshalIndent(n.container, "", "  ")
		}})
		if !n.container.State.Running {
			continue
		}
		for name, argv := range map[string][]string{
			"kubelet.log":    {"journalctl", "--no-pager", "-n", "1000", "-u", "kubelet"},
			"containerd.log": {"journalctl", "--no-pager", "-n", "300", "-u", "containerd"},
			"routes.txt":     {"ip", "route"},
		} {
			files = append(files, collect.File{Name: dir + name, Read: func(ctx context.Context) ([]byte, error) {
				ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
				defer cancel()
				return n.docker.Output(ctx, n.container.Name, argv...)
			}})
		}
	}
	return files
}

// stateFiles are the stack's settings and state. The state's secrets are
// ciphertext already; they are left out all the same.
func stateFiles(lab *automation.Lab) []collect.File {
	names := map[string]string{"lab.json": filepath.Join(lab.Dir(), "lab.json")}
	for pattern, dir := range map[string]string{
		filepath.Join(lab.Workspace(), "Pulumi*.yaml"):                          "settings/",
		filepath.Join(lab.Dir(), "backend", ".pulumi", "stacks", "*", "*.json"): "state/",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // the patterns are well formed
		}
		for _, file := range found {
			names[dir+filepath.Base(file)] = file
		}
	}
	var files []collect.File
	for name, path := range names {
		files = append(files, collect.File{Name: name, Read: func(context.Context) ([]byte, error) {
			text, err := os.ReadFile(path)
			return ciphertext.ReplaceAll(text, []byte("${1}[redacted ciphertext]")), err
		}})
	}
	return files
}

// ciphertext matches encrypted values in a stack's state and settings, and the
// salt that the passphrase is stretched with.
var ciphertext = regexp.MustCompile(`("?(?:ciphertext|secure|salt|encryptionsalt)"?:\s*"?)[A-Za-z0-9+/=:._-]{8,}`)

// labSecrets are the secrets on this machine that are known by value.
func labSecrets(lab *automation.Lab) []string {
	var out []string
	if text, err := os.ReadFile(filepath.Join(lab.Dir(), "passphrase")); err == nil {
		out = append(out, string(text))
	}
	config, err := clientcmd.LoadFromFile(lab.KubeconfigFile())
	if err != nil {
		return out
	}
	for _, user := range config.AuthInfos {
		out = append(out, string(user.ClientKeyData), user.Token, user.Password)
	}
	return out
}
