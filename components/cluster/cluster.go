package cluster

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

// Cluster is a kind cluster and the provider that deploys into it.
type Cluster struct {
	pulumi.ResourceState

	// Kubeconfig is a secret.
	Kubeconfig pulumi.StringOutput      `pulumi:"kubeconfig"`
	NodeNames  pulumi.StringArrayOutput `pulumi:"nodeNames"`
	// ID is unique to each cluster that is created, also under the same name.
	ID pulumi.StringOutput `pulumi:"clusterID"`

	kind     *kindCluster
	provider *kubernetes.Provider
}

// Args describes a cluster.
type Args struct {
	Lab string
	// Name is Istio's clusterName and the kubeconfig context.
	Name string
	// KindName is the cluster's name in kind and Docker.
	KindName string
	// Image of the nodes.
	Image         string
	PodSubnet     string
	ServiceSubnet string
	Nodes         []Node
	// Network is the Docker network of the lab.
	Network pulumi.StringInput
}

// Node is one node: kind's role ("control-plane" or "worker") and the labels that it is
// created with, so that it has them before the first pod.
type Node struct {
	Role   string
	Labels map[string]string
}

// New registers a cluster. opts must bring Meshwright's provider.
//
// It does not wait for ready nodes: the API server accepts objects much earlier, and
// their pods start as soon as the nodes are ready.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{}
	if err := ctx.RegisterComponentResource("meshwright:cluster:Cluster", name, c, opts...); err != nil {
		return nil, err
	}
	var err error
	c.kind, err = newKind(ctx, name+"-kind", args, pulumi.Parent(c))
	if err != nil {
		return nil, err
	}
	c.provider, err = kubernetes.NewProvider(ctx, name+"-kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig: c.kind.Kubeconfig,
		Context:    pulumi.String(args.Name),
		// A new port or certificate does not make another cluster. A recreated cluster
		// is another one, and all its contents must be recreated.
		ClusterIdentifier: c.kind.ClusterID,
		// The embedded provider asks for proof that the cluster is gone. For the official
		// one the driver first makes sure that every cluster that exists answers.
		DeleteUnreachable: pulumi.Bool(true),
		// The settings win over what other field managers wrote into a lab's own cluster.
		EnablePatchForce: pulumi.Bool(true),
		// While the new identifier is unknown, the provider must not ask for its own
		// replacement: the engine would then stop it, although it needs the provider to
		// delete the contents of the old cluster.
	}, pulumi.ReplaceOnChanges([]string{"clusterIdentifier"}), pulumi.Parent(c), pulumi.DeletedWith(c.kind))
	if err != nil {
		return nil, err
	}
	c.Kubeconfig = c.kind.Kubeconfig
	c.NodeNames = c.kind.NodeNames
	c.ID = c.kind.ClusterID
	component.Outputs(ctx, c, pulumi.Map{
		"kubeconfig": c.Kubeconfig, "nodeNames": c.NodeNames, "clusterID": c.ID,
	})
	return c, nil
}

// GoesWith is the option for resources in the cluster's nodes that its API server does
// not know. They need no deletion when the cluster is deleted.
func (c *Cluster) GoesWith() pulumi.ResourceOption { return pulumi.DeletedWith(c.kind) }

// Inside is the option for resources that are deployed into the cluster. They use the
// cluster's provider, and need no deletion when the cluster is deleted. A component
// passes both to its children.
func (c *Cluster) Inside() pulumi.ResourceOption {
	return pulumi.Composite(pulumi.Provider(c.provider), c.GoesWith())
}
