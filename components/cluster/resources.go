package cluster

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Provider is Meshwright's own provider, package "meshwright". The engine finds it
// through Pulumi.yaml or the driver and never downloads it.
type Provider struct {
	pulumi.ProviderResourceState
}

// NewProvider registers the provider. It has no configuration.
func NewProvider(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) (*Provider, error) {
	p := &Provider{}
	return p, ctx.RegisterResource("pulumi:providers:meshwright", name, pulumi.Map{}, p, opts...)
}

// Addresses remembers which part of the address plan each cluster has: token
// meshwright:kind:Addresses. It exists in the state alone.
type Addresses struct {
	pulumi.CustomResourceState

	// Slots by the cluster's name, from 0 to Capacity-1.
	Slots pulumi.IntMapOutput `pulumi:"slots"`
}

// AddressesArgs describes the clusters that need addresses. A cluster keeps its slot for
// as long as it is listed.
type AddressesArgs struct {
	// Clusters are the names. New ones get the lowest free slots, in this order.
	Clusters []string
	Capacity int
}

// NewAddresses registers the clusters' slots.
func NewAddresses(ctx *pulumi.Context, name string, args *AddressesArgs, opts ...pulumi.ResourceOption) (*Addresses, error) {
	a := &Addresses{}
	return a, ctx.RegisterResource("meshwright:kind:Addresses", name, pulumi.Map{
		"clusters": pulumi.ToStringArray(args.Clusters), "capacity": pulumi.Int(args.Capacity),
	}, a, opts...)
}

// Network is the Docker network of a lab: token meshwright:kind:Network.
type Network struct {
	pulumi.CustomResourceState

	Name    pulumi.StringOutput `pulumi:"name"`
	Subnet  pulumi.StringOutput `pulumi:"subnet"`
	Gateway pulumi.StringOutput `pulumi:"gateway"`
}

// NetworkArgs describes a Docker network. A change of any field replaces the network.
type NetworkArgs struct {
	Lab  pulumi.StringInput
	Name pulumi.StringInput
	// Subnet is a CIDR; IPRange is the part of it from which Docker assigns addresses
	// to nodes.
	Subnet  pulumi.StringInput
	IPRange pulumi.StringInput
}

// NewNetwork registers a lab's Docker network.
func NewNetwork(ctx *pulumi.Context, name string, args *NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	n := &Network{}
	return n, ctx.RegisterResource("meshwright:kind:Network", name, pulumi.Map{
		"lab": args.Lab, "name": args.Name, "subnet": args.Subnet, "ipRange": args.IPRange,
	}, n, opts...)
}

// kindCluster is a cluster of kind: token meshwright:kind:Cluster. Its ID is kind's
// name. Node labels, context and wait change in place; a change of any other input
// replaces the cluster.
type kindCluster struct {
	pulumi.CustomResourceState

	// Kubeconfig's server is a port on the loopback interface of this machine.
	Kubeconfig pulumi.StringOutput      `pulumi:"kubeconfig"`
	NodeNames  pulumi.StringArrayOutput `pulumi:"nodeNames"`
	ClusterID  pulumi.StringOutput      `pulumi:"clusterID"`
}

// newKind registers a kind cluster. Its kubeconfig is a secret from creation,
// whatever the provider returns.
func newKind(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*kindCluster, error) {
	nodes := pulumi.Array{}
	for _, n := range args.Nodes {
		nodes = append(nodes, pulumi.Map{"role": pulumi.String(n.Role), "labels": pulumi.ToStringMap(n.Labels)})
	}
	k := &kindCluster{}
	return k, ctx.RegisterResource("meshwright:kind:Cluster", name, pulumi.Map{
		"lab":                  pulumi.String(args.Lab),
		"name":                 pulumi.String(args.KindName),
		"context":              pulumi.String(args.Name),
		"network":              args.Network,
		"image":                pulumi.String(args.Image),
		"podSubnet":            pulumi.String(args.PodSubnet),
		"serviceSubnet":        pulumi.String(args.ServiceSubnet),
		"nodes":                nodes,
		"kubeadmConfigPatches": pulumi.ToStringArray(kubeadmPatches),
		"wait":                 pulumi.Int(0),
	}, k, append(opts, pulumi.AdditionalSecretOutputs([]string{"kubeconfig"}))...)
}
