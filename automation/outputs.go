package automation

import (
	"context"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/passphrase"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/stacks"
)

// Outputs are the outputs of a stack that is up.
type Outputs struct {
	Lab      string
	MeshID   string
	Clusters []Cluster
	Sample   *stacks.SampleOutputs
	// Traffic is the sample's rule with its defaults filled in; zero for mode none.
	Traffic topology.Rule
}

// Cluster is one cluster of a lab that is up. It holds a kubeconfig, which is
// a secret: do not print it.
type Cluster struct{ stacks.ClusterOutputs }

// RESTConfig is a client configuration for the cluster's API server.
func (c Cluster) RESTConfig() (*rest.Config, error) {
	cfg, err := clientcmd.RESTConfigFromKubeConfig([]byte(c.Kubeconfig))
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of %s: %w", c.Name, err)
	}
	return cfg, nil
}

// Cluster returns the cluster of that name.
func (o *Outputs) Cluster(name string) (*Cluster, bool) {
	i := slices.IndexFunc(o.Clusters, func(c Cluster) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &o.Clusters[i], true
}

// Kubeconfig is one file with a context per cluster, named like the cluster; the
// first is the current one. Clusters and users carry the lab's name as well,
// so that merging two labs' files keeps them apart.
func (o *Outputs) Kubeconfig() (*api.Config, error) {
	merged := api.NewConfig()
	for i, c := range o.Clusters {
		one, err := clientcmd.Load([]byte(c.Kubeconfig))
		if err != nil {
			return nil, fmt.Errorf("kubeconfig of %s: %w", c.Name, err)
		}
		context, ok := one.Contexts[one.CurrentContext]
		if !ok {
			return nil, fmt.Errorf("kubeconfig of %s: no current context", c.Name)
		}
		cluster, user := one.Clusters[context.Cluster], one.AuthInfos[context.AuthInfo]
		if cluster == nil || user == nil {
			return nil, fmt.Errorf("kubeconfig of %s: context %s is incomplete", c.Name, one.CurrentContext)
		}
		key := "kind-" + c.KindName
		merged.Clusters[key], merged.AuthInfos[key] = cluster, user
		merged.Contexts[c.Name] = &api.Context{Cluster: key, AuthInfo: key}
		if i == 0 {
			merged.CurrentContext = c.Name
		}
	}
	return merged, nil
}

// WriteKubeconfig puts the merged kubeconfig into the lab's directory (0600).
func (l *Lab) WriteKubeconfig(o *Outputs) error {
	merged, err := o.Kubeconfig()
	if err != nil {
		return err
	}
	data, err := clientcmd.Write(*merged)
	if err != nil {
		return fmt.Errorf("kubeconfig of lab %s: %w", l.o.Name, err)
	}
	return workspace.WriteFile(l.KubeconfigFile(), data)
}

// Outputs returns what the last Up left, or a *NotUpError when there was none.
func (l *Lab) Outputs(ctx context.Context) (*Outputs, error) {
	if exists, err := l.stackExists(ctx); err != nil {
		return nil, err
	} else if !exists {
		return nil, l.notUp()
	}
	if err := passphrase.Ensure(l.passphraseFile(), true); err != nil {
		return nil, err
	}
	stack, err := l.reader(ctx)
	if err != nil {
		return nil, err
	}
	values, err := stack.StackOutputs(ctx, l.o.Name)
	if err != nil {
		return nil, fmt.Errorf("outputs of lab %s: %w", l.o.Name, engine.Readable(err))
	}
	if len(values) == 0 {
		return nil, l.notUp()
	}
	return l.decodeOutputs(values)
}

func (l *Lab) decodeOutputs(values auto.OutputMap) (*Outputs, error) {
	raw := make(map[string]any, len(values))
	for k, v := range values {
		raw[k] = v.Value
	}
	again := report.Remedy{Text: "to write them again", Operation: report.OperationUp}
	o, err := stacks.DecodeOutputs(raw)
	if err != nil {
		return nil, report.WithRemedies(fmt.Errorf("lab %s: %w", l.o.Name, err), again)
	}
	out := &Outputs{Lab: o.Lab, MeshID: o.MeshID, Sample: o.Sample, Traffic: o.Traffic}
	for _, c := range o.Clusters {
		out.Clusters = append(out.Clusters, Cluster{c})
	}
	if len(out.Clusters) == 0 {
		return nil, report.WithRemedies(fmt.Errorf("lab %s: the stack's outputs name no cluster", l.o.Name), again)
	}
	return out, nil
}
