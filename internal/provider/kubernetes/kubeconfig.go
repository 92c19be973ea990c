package kubernetes

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// errKubeconfig marks a kubeconfig that does not lead to a cluster. As in the
// official provider it makes the cluster unreachable instead of failing at once,
// so that deleteUnreachable can still clear the state.
var errKubeconfig = errors.New("the kubeconfig does not lead to a cluster")

// The client's limits are far above client-go's 5 requests per second: a lab's
// API server is ours alone.
const (
	defaultQPS   = 200
	defaultBurst = 400
)

// parseKubeconfig takes what a kubeconfig option may be: the contents, as text
// or as an object, or the path of a file, where ~ is the home directory.
func parseKubeconfig(v resource.PropertyValue) (*api.Config, error) {
	switch {
	case v.IsObject():
		raw, err := json.Marshal(v.ObjectValue().Mappable())
		if err != nil {
			return nil, err
		}
		return clientcmd.Load(raw)
	case !v.IsString() || v.StringValue() == "":
		return nil, nil
	}
	content := v.StringValue()
	if !strings.ContainsAny(content, "\n{") {
		path := content
		if rest, ok := strings.CutPrefix(path, "~/"); ok {
			if home, err := os.UserHomeDir(); err == nil {
				path = filepath.Join(home, rest)
			}
		}
		cfg, err := clientcmd.LoadFromFile(path)
		if err != nil {
			return nil, fmt.Errorf("kubeconfig is neither a file that can be read nor its contents: %w", err)
		}
		return cfg, clientcmd.ResolveLocalPaths(cfg)
	}
	cfg, err := clientcmd.Load([]byte(content))
	if err != nil {
		return nil, fmt.Errorf("parse kubeconfig: %w", err)
	}
	return cfg, nil
}

func clientConfig(in resource.PropertyMap) (clientcmd.ClientConfig, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: text(in, "context", "")}
	overrides.Context.Cluster = text(in, "cluster", "")
	cfg, err := parseKubeconfig(in["kubeconfig"])
	if err != nil {
		return nil, err
	}
	if cfg == nil { // KUBECONFIG or ~/.kube/config, as kubectl finds it
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), overrides), nil
	}
	return clientcmd.NewDefaultClientConfig(*cfg, overrides), nil
}

// restConfig returns the client configuration and the context's namespace.
func restConfig(in resource.PropertyMap) (cfg *rest.Config, namespace string, err error) {
	cc, err := clientConfig(in)
	if err == nil {
		cfg, err = cc.ClientConfig()
	}
	if err == nil {
		namespace, _, err = cc.Namespace()
	}
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errKubeconfig, err)
	}
	return cfg, namespace, nil
}

// tune applies kubeClientSettings {qps, burst, timeout}.
func tune(cfg *rest.Config, settings resource.PropertyMap) {
	cfg.QPS, cfg.Burst = defaultQPS, defaultBurst
	cfg.UserAgent = "pulumi-kubernetes/" + version.String() + " meshwright"
	// Deprecation warnings would go to the process's stderr.
	cfg.WarningHandler = rest.NoWarnings{}
	if qps := number(settings, "qps", "PULUMI_K8S_CLIENT_QPS"); qps > 0 {
		cfg.QPS = float32(qps)
	}
	if burst := number(settings, "burst", "PULUMI_K8S_CLIENT_BURST"); burst > 0 {
		cfg.Burst = int(burst)
	}
}

// activeCluster identifies the kubeconfig's active cluster, to compare.
func activeCluster(in resource.PropertyMap) (string, error) {
	cc, err := clientConfig(in)
	if err != nil {
		return "", err
	}
	raw, err := cc.RawConfig()
	if err != nil {
		return "", err
	}
	name := cmp.Or(text(in, "context", ""), raw.CurrentContext)
	cluster := text(in, "cluster", "")
	if ctx := raw.Contexts[name]; cluster == "" && ctx != nil {
		cluster = ctx.Cluster
	}
	c := raw.Clusters[cluster]
	if c == nil {
		return "", nil
	}
	id, err := json.Marshal([]any{c.Server, c.CertificateAuthorityData, c.CertificateAuthority, c.TLSServerName, c.InsecureSkipTLSVerify, c.ProxyURL})
	return string(id), err
}
