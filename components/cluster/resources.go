package cluster

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Provider is our own provider, package "meshwright". The engine finds it through
// Pulumi.yaml or the driver; it is never downloaded.
type Provider struct {
	pulumi.ProviderResourceState
}

// NewProvider registers the provider. It takes no configuration.
func NewProvider(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) (*Provider, error) {
	var p Provider
	if err := ctx.RegisterResource("pulumi:providers:meshwright", name, pulumi.Map{}, &p, opts...); err != nil {
		return nil, err
	}
	return &p, nil
}

// Network is the Docker network of a lab: token meshwright:kind:Network.
type Network struct {
	pulumi.CustomResourceState

	Name    pulumi.StringOutput `pulumi:"name"`
	Subnet  pulumi.StringOutput `pulumi:"subnet"`
	Gateway pulumi.StringOutput `pulumi:"gateway"`
}

// NetworkArgs describes a Docker network. A change of any part replaces it.
type NetworkArgs struct {
	Lab  pulumi.StringInput
	Name pulumi.StringInput
	// Subnet is a CIDR; IPRange is the part of it that Docker hands to nodes.
	Subnet  pulumi.StringInput
	IPRange pulumi.StringInput
}

type networkArgs struct {
	Lab     string `pulumi:"lab"`
	Name    string `pulumi:"name"`
	Subnet  string `pulumi:"subnet"`
	IPRange string `pulumi:"ipRange"`
}

// ElementType tells the SDK which fields are which properties.
func (NetworkArgs) ElementType() reflect.Type { return reflect.TypeFor[networkArgs]() }

// NewNetwork registers a lab's Docker network.
func NewNetwork(ctx *pulumi.Context, name string, args *NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	var n Network
	if err := ctx.RegisterResource("meshwright:kind:Network", name, args, &n, opts...); err != nil {
		return nil, err
	}
	return &n, nil
}

// Kind is a kind cluster: token meshwright:kind:Cluster. Its ID is kind's name.
type Kind struct {
	pulumi.CustomResourceState

	// Kubeconfig is a secret; its server is a port of this machine's loopback.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// Server is the API server's URL inside the Docker network.
	Server    pulumi.StringOutput      `pulumi:"server"`
	NodeNames pulumi.StringArrayOutput `pulumi:"nodeNames"`
	ClusterID pulumi.StringOutput      `pulumi:"clusterID"`
}

// KindArgs describes a kind cluster. Node labels, Context and Wait change in place;
// any other change replaces the cluster.
type KindArgs struct {
	Lab pulumi.StringInput
	// Name is kind's; Context names the exported kubeconfig's context.
	Name    pulumi.StringInput
	Context pulumi.StringInput
	// Network is the Docker network's name.
	Network              pulumi.StringInput
	Image                pulumi.StringInput
	PodSubnet            pulumi.StringInput
	ServiceSubnet        pulumi.StringInput
	Nodes                KindNodeArray
	KubeadmConfigPatches pulumi.StringArrayInput
	// Wait is how many seconds to wait for ready nodes; 0 does not wait.
	Wait pulumi.IntInput
}

type kindArgs struct {
	Lab                  string     `pulumi:"lab"`
	Name                 string     `pulumi:"name"`
	Context              string     `pulumi:"context"`
	Network              string     `pulumi:"network"`
	Image                string     `pulumi:"image"`
	PodSubnet            string     `pulumi:"podSubnet"`
	ServiceSubnet        string     `pulumi:"serviceSubnet"`
	Nodes                []kindNode `pulumi:"nodes"`
	KubeadmConfigPatches []string   `pulumi:"kubeadmConfigPatches"`
	Wait                 int        `pulumi:"wait"`
}

// ElementType tells the SDK which fields are which properties.
func (KindArgs) ElementType() reflect.Type { return reflect.TypeFor[kindArgs]() }

// KindNode is a node of a kind cluster.
type KindNode struct {
	// Role is "control-plane" or "worker".
	Role   pulumi.StringInput
	Labels pulumi.StringMapInput
}

type kindNode struct {
	Role   string            `pulumi:"role"`
	Labels map[string]string `pulumi:"labels"`
}

// ElementType tells the SDK which fields are which properties.
func (KindNode) ElementType() reflect.Type { return reflect.TypeFor[kindNode]() }

// KindNodeArray is a list of nodes.
type KindNodeArray []KindNode

// ElementType tells the SDK what the list holds.
func (KindNodeArray) ElementType() reflect.Type { return reflect.TypeFor[[]kindNode]() }

// NewKind registers a kind cluster. Its kubeconfig is a secret from creation,
// whatever the provider answers.
func NewKind(ctx *pulumi.Context, name string, args *KindArgs, opts ...pulumi.ResourceOption) (*Kind, error) {
	var k Kind
	opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"kubeconfig"}))
	if err := ctx.RegisterResource("meshwright:kind:Cluster", name, args, &k, opts...); err != nil {
		return nil, err
	}
	return &k, nil
}
