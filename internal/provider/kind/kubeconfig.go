package kind

import (
	"context"
	"errors"
	"fmt"
	"net"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/internal/docker"
)

// adminConfig is the administrator's kubeconfig in a control plane node.
const adminConfig = "/etc/kubernetes/admin.conf"

// kubeconfig returns the administrator's kubeconfig with the API server's port
// on this machine, everything in it named name. It is a secret.
func kubeconfig(ctx context.Context, d daemon, control docker.Container, name string) (string, error) {
	raw, err := d.Output(ctx, control.ID, "cat", adminConfig)
	if err != nil {
		return "", fmt.Errorf("read the kubeconfig of %s: %w", control.Name, err)
	}
	server, err := serverOnHost(control)
	if err != nil {
		return "", err
	}
	return rewriteKubeconfig(raw, server, name)
}

// serverOnHost returns "https://127.0.0.1:PORT".
func serverOnHost(control docker.Container) (string, error) {
	for _, p := range control.Ports["6443/tcp"] {
		if p.HostPort != "" {
			return "https://" + net.JoinHostPort(p.HostIP, p.HostPort), nil
		}
	}
	return "", fmt.Errorf("the node %s publishes no port of its API server; it is %s", control.Name, control.State.Status)
}

func rewriteKubeconfig(raw []byte, server, name string) (string, error) {
	in, err := clientcmd.Load(raw)
	if err != nil {
		return "", fmt.Errorf("kubeconfig of the node: %w", err)
	}
	current := in.Contexts[in.CurrentContext]
	if current == nil || in.Clusters[current.Cluster] == nil || in.AuthInfos[current.AuthInfo] == nil {
		return "", errors.New("kubeconfig of the node: it has no current context")
	}
	cluster := in.Clusters[current.Cluster]
	cluster.Server = server
	return oneContext(name, cluster, in.AuthInfos[current.AuthInfo])
}

// oneContext returns a kubeconfig in which everything is named name.
func oneContext(name string, cluster *api.Cluster, user *api.AuthInfo) (string, error) {
	out := api.NewConfig()
	out.Clusters[name], out.AuthInfos[name] = cluster, user
	out.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	out.CurrentContext = name
	text, err := clientcmd.Write(*out)
	return string(text), err
}
