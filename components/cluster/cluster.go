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
	// ID is another one for every cluster that is made.
	ID pulumi.StringOutput `pulumi:"clusterID"`

	kind     *Kind
	provider *kubernetes.Provider
}

// Args describes a cluster.
type Args struct {
	Lab string
	// Name is what users and Istio call the cluster, and its kubeconfig context.
	Name string
	// KindName is what kind and Docker call it.
	KindName string
	// Image of the nodes.
	Image         string
	PodSubnet     string
	ServiceSubnet string
	Nodes         []Node
	// Network is the Docker network of the lab.
	Network pulumi.StringInput
}

// Node is one node: its role as kind writes it, and the labels it is born with,
// so that they are there before the first pod.
type Node struct {
	Role   string
	Labels map[string]string
}

// New registers a cluster. opts must bring our own provider.
//
// It does not wait for the nodes to be ready: the API server answers much earlier,
// and what is applied meanwhile starts the moment they are.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{}
	if err := ctx.RegisterComponentResource("meshwright:cluster:Cluster", name, c, opts...); err != nil {
		return nil, err
	}
	var err error
	c.kind, err = NewKind(ctx, name+"-kind", &KindArgs{
		Lab:                  pulumi.String(args.Lab),
		Name:                 pulumi.String(args.KindName),
		Context:              pulumi.String(args.Name),
		Network:              args.Network,
		Image:                pulumi.String(args.Image),
		PodSubnet:            pulumi.String(args.PodSubnet),
		ServiceSubnet:        pulumi.String(args.ServiceSubnet),
		Nodes:                nodes(args.Nodes),
		KubeadmConfigPatches: pulumi.ToStringArray(kubeadmPatches),
		Wait:                 pulumi.Int(0),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, err
	}
	c.provider, err = kubernetes.NewProvider(ctx, name+"-kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig: c.kind.Kubeconfig,
		Context:    pulumi.String(args.Name),
		// A new port or certificate is the same cluster; a cluster made anew is
		// another one, and all that was in the old one has to be made again.
		ClusterIdentifier: c.kind.ClusterID,
		DeleteUnreachable: pulumi.Bool(true),
		// Said here and not by the provider while the new identifier is unknown:
		// the engine ends a provider that asks for its own replacement, although
		// it needs it to delete what is on the old cluster.
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

// GoesWith is the option for what lives in the cluster's nodes without being known to
// its API server: it needs no deletion of its own when the cluster goes.
func (c *Cluster) GoesWith() pulumi.ResourceOption { return pulumi.DeletedWith(c.kind) }

// Inside is the option for whatever is deployed into the cluster: it uses the
// cluster's provider, and needs no deletion of its own when the cluster goes.
// Given to a component, both reach its children.
func (c *Cluster) Inside() pulumi.ResourceOption {
	return pulumi.Composite(pulumi.Provider(c.provider), c.GoesWith())
}

func nodes(in []Node) KindNodeArray {
	out := make(KindNodeArray, len(in))
	for i, n := range in {
		out[i] = KindNode{Role: pulumi.String(n.Role), Labels: pulumi.ToStringMap(n.Labels)}
	}
	return out
}
