package stacks

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-command/sdk/go/command"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/cluster"
	"github.com/meshwright/meshwright/components/istio"
	"github.com/meshwright/meshwright/components/loadbalancer"
	"github.com/meshwright/meshwright/components/meshca"
	"github.com/meshwright/meshwright/components/peering"
	"github.com/meshwright/meshwright/components/sample"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/stacks/plan"
)

// deploy composes the lab. A resource that needs another depends on it explicitly.
// Everything else is created in parallel, in all clusters.
func deploy(ctx *pulumi.Context, plan *Plan, set *artifacts.Set, own pulumi.ResourceOption) error {
	l := &lab{plan: plan, mesh: plan.Topology(), set: set, own: own, members: map[string]*member{}}
	for _, step := range []struct {
		name string
		do   func(*pulumi.Context) error
	}{
		{"providers", l.startProviders},
		{"docker network", l.createNetwork},
		{"root of trust", l.createRoot},
		{"clusters", l.each(l.createCluster)},
		{"pod routes", l.routePods},
		{"load balancers", l.each(l.installLoadBalancer)},
		{"control planes", l.each(l.installControlPlane)},
		{"peering", l.each(l.createRemoteSecrets)},
		{"exposure", l.only(primaries, l.expose)},
		{"gateways of primaries", l.only(primaries, l.installGateways)},
		{"gateways of remotes", l.only(remotes, l.installGateways)},
		{"sample", l.each(l.deploySample)},
		{"outputs", l.export},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// lab is what the steps of a deployment share.
type lab struct {
	plan *Plan
	mesh topology.Topology
	set  *artifacts.Set

	tls     pulumi.ResourceOption
	own     pulumi.ResourceOption
	network *cluster.Network
	root    *meshca.RootCA
	members map[string]*member
}

// member is a planned cluster and the resources of it that later steps need.
type member struct {
	*plan.Cluster

	cluster      *cluster.Cluster
	inside       pulumi.ResourceOption
	controlPlane *istio.ControlPlane
	exposure     *istio.Exposure
	eastWest     *istio.Gateway
	// remoteSecrets by the watching primary's name.
	remoteSecrets map[string]*peering.RemoteSecret
}

// each runs a step for every cluster, in the plan's order.
func (l *lab) each(do func(*pulumi.Context, *member) error) func(*pulumi.Context) error {
	return func(ctx *pulumi.Context) error {
		for i := range l.plan.Clusters {
			planned := &l.plan.Clusters[i]
			if l.members[planned.Name] == nil {
				l.members[planned.Name] = &member{Cluster: planned, remoteSecrets: map[string]*peering.RemoteSecret{}}
			}
			if err := do(ctx, l.members[planned.Name]); err != nil {
				return fmt.Errorf("%s: %w", planned.Name, err)
			}
		}
		return nil
	}
}

// primaries and remotes are the clusters that only runs a step for.
const primaries, remotes = true, false

// only runs a step for the primaries or for the remotes: a primary's resources must be
// registered before those of its remotes, in any order of the configuration.
func (l *lab) only(primary bool, do func(*pulumi.Context, *member) error) func(*pulumi.Context) error {
	return l.each(func(ctx *pulumi.Context, m *member) error {
		if m.Primary() != primary {
			return nil
		}
		return do(ctx, m)
	})
}

// startProviders creates the provider of certificates, which belongs to no cluster.
// Default providers are disabled, so that nothing is ever deployed to one of the user's
// clusters.
func (l *lab) startProviders(ctx *pulumi.Context) error {
	certificates, err := tls.NewProvider(ctx, "tls", nil)
	if err != nil {
		return err
	}
	l.tls = pulumi.Provider(certificates)
	return nil
}

func (l *lab) createNetwork(ctx *pulumi.Context) (err error) {
	l.network, err = cluster.NewNetwork(ctx, "network", &cluster.NetworkArgs{
		Lab:     pulumi.String(l.plan.Lab),
		Name:    pulumi.String("meshwright-" + l.plan.Lab),
		Subnet:  pulumi.String(l.plan.Subnet.String()),
		IPRange: pulumi.String(l.plan.NodeRange.String()),
	}, l.own)
	return err
}

func (l *lab) createRoot(ctx *pulumi.Context) (err error) {
	l.root, err = meshca.NewRootCA(ctx, "root-ca", &meshca.RootCAArgs{CommonName: "Root CA of " + l.plan.MeshID}, l.tls)
	return err
}

func (l *lab) createCluster(ctx *pulumi.Context, m *member) (err error) {
	args := &cluster.Args{
		Lab: l.plan.Lab, Name: m.Name, KindName: m.KindName, Image: l.set.NodeImage.Name,
		PodSubnet: m.PodSubnet.String(), ServiceSubnet: m.ServiceSubnet.String(),
		Network: l.network.Name,
	}
	for _, n := range m.Nodes {
		args.Nodes = append(args.Nodes, cluster.Node{Role: n.Role, Labels: n.Labels})
	}
	if m.cluster, err = cluster.New(ctx, m.Name, args, l.own); err != nil {
		return err
	}
	m.inside = m.cluster.Inside()
	return nil
}

// routePods connects the pods of clusters that share a network. A mesh without such
// clusters needs no command provider.
func (l *lab) routePods(ctx *pulumi.Context) error {
	if !l.mesh.Flat() {
		return nil
	}
	provider, err := command.NewProvider(ctx, "command", nil)
	if err != nil {
		return err
	}
	return l.each(func(ctx *pulumi.Context, m *member) error {
		peers := l.mesh.Peers(m.Name)
		if len(peers) == 0 {
			return nil
		}
		args := &peering.PodRoutesArgs{PodSubnet: m.PodSubnet.String(), ClusterID: m.cluster.ID}
		for _, n := range m.Nodes {
			args.Nodes = append(args.Nodes, n.Name)
		}
		for _, name := range peers {
			peer := l.plan.Cluster(name)
			args.Peers = append(args.Peers, peering.Peer{Gateway: peer.Nodes[0].Name, PodSubnet: peer.PodSubnet.String()})
		}
		_, err := peering.NewPodRoutes(ctx, m.Name+"-routes-to-peers", args, pulumi.Provider(provider), m.cluster.GoesWith())
		return err
	})(ctx)
}

func (l *lab) installLoadBalancer(ctx *pulumi.Context, m *member) error {
	_, err := loadbalancer.NewMetalLB(ctx, m.Name+"-metallb", &loadbalancer.MetalLBArgs{
		Addresses: m.AddressPool.String(),
		Artifacts: l.set,
		Reserved: loadbalancer.Reserved{
			Addresses: plan.AddressRange{First: m.IngressAddress, Last: m.EastWestAddress}.String(),
			Namespace: istio.Namespace, Apps: []string{istio.IngressGateway, istio.EastWestGateway},
		},
	}, m.inside)
	return err
}

// installControlPlane installs istiod with an intermediate CA in a primary, and connects
// a remote to its primary's istiod.
func (l *lab) installControlPlane(ctx *pulumi.Context, m *member) error {
	args := &istio.ControlPlaneArgs{
		Mesh:          istio.Mesh{ID: l.plan.MeshID, Cluster: m.Name, Network: m.Network},
		Artifacts:     l.set,
		ServesRemotes: len(l.mesh.Remotes(m.Name)) > 0,
	}
	if m.Primary() {
		ca, err := meshca.NewIntermediateCA(ctx, m.Name+"-ca", &meshca.IntermediateCAArgs{
			CommonName: "Intermediate CA of " + m.Name, Root: l.root,
		}, l.tls)
		if err != nil {
			return err
		}
		args.CACerts = ca.CACerts()
	} else {
		primary := l.plan.Cluster(m.ControlPlane)
		args.Remote = &istio.RemoteArgs{ControlPlane: primary.Name, PilotAddress: primary.EastWestAddress.String()}
	}
	var err error
	m.controlPlane, err = istio.NewControlPlane(ctx, m.Name+"-istio", args, m.inside)
	return err
}

// createRemoteSecrets gives each primary that watches the cluster a token for it.
func (l *lab) createRemoteSecrets(ctx *pulumi.Context, m *member) error {
	watchers := l.mesh.Watchers(m.Name)
	if len(watchers) == 0 {
		return nil
	}
	reader, err := peering.NewReader(ctx, m.Name+"-reader", &peering.ReaderArgs{},
		m.inside, after(m.controlPlane.Base))
	if err != nil {
		return err
	}
	for _, watcher := range watchers {
		// The cluster's istiod chart binds the reader to its role. An istiod that is
		// denied before that waits long until its next attempt.
		w := l.members[watcher]
		m.remoteSecrets[watcher], err = peering.NewRemoteSecret(ctx, watcher+"-watches-"+m.Name, &peering.RemoteSecretArgs{
			Cluster: m.Name, Server: m.APIServer, Credentials: reader.Credentials,
		}, w.inside, after(m.controlPlane.Istiod, w.controlPlane.Base))
		if err != nil {
			return err
		}
	}
	return nil
}

// expose configures the east-west gateways of a primary and of its remotes, if any of
// these clusters has one.
func (l *lab) expose(ctx *pulumi.Context, m *member) (err error) {
	served := l.mesh.Remotes(m.Name)
	if !slices.ContainsFunc(append(served, m.Name), l.mesh.EastWest) {
		return nil
	}
	m.exposure, err = istio.NewExposure(ctx, m.Name+"-exposure", &istio.ExposureArgs{
		Services: len(l.mesh.Networks()) > 1, Istiod: len(served) > 0,
	}, m.inside, after(m.controlPlane.Base, m.controlPlane.Istiod))
	return err
}

// injected is what a cluster's pods depend on, so that they get a sidecar. In a primary
// it is its istiod. In a remote, the primary must also hold the remote secret and expose
// its istiod through its east-west gateway.
func (l *lab) injected(m *member) pulumi.ResourceOption {
	if m.Primary() {
		return after(m.controlPlane.Istiod)
	}
	primary := l.members[m.ControlPlane]
	return after(m.controlPlane.Istiod, m.remoteSecrets[primary.Name].Secret, primary.exposure.Istiod, primary.eastWest.Release)
}

func (l *lab) installGateways(ctx *pulumi.Context, m *member) error {
	_, err := istio.NewGateway(ctx, m.Name+"-ingress", &istio.GatewayArgs{
		Name: istio.IngressGateway, Address: m.IngressAddress.String(),
		Injected: m.controlPlane.Injected, Artifacts: l.set,
	}, m.inside, l.injected(m))
	if err != nil || !l.mesh.EastWest(m.Name) {
		return err
	}
	m.eastWest, err = istio.NewGateway(ctx, m.Name+"-eastwest", &istio.GatewayArgs{
		Name: istio.EastWestGateway, Address: m.EastWestAddress.String(),
		NetworkGateway: m.Network, Injected: m.controlPlane.Injected, Artifacts: l.set,
	}, m.inside, l.injected(m))
	return err
}

func (l *lab) deploySample(ctx *pulumi.Context, m *member) error {
	if l.plan.SampleNamespace == "" {
		return nil
	}
	app, err := sample.NewHelloWorld(ctx, m.Name+"-sample", &sample.HelloWorldArgs{
		Namespace: l.plan.SampleNamespace, Versions: m.HelloWorld,
		Injected: m.controlPlane.Injected, Artifacts: l.set,
	}, m.inside, l.injected(m))
	if err != nil || !m.Primary() {
		return err
	}
	_, err = sample.NewRoutes(ctx, m.Name+"-routes", &sample.RoutesArgs{
		Namespace: l.plan.SampleNamespace, Traffic: l.plan.Traffic,
	}, m.inside, after(m.controlPlane.Base, app.Namespace))
	return err
}

// after makes a resource depend on others.
func after(resources ...pulumi.Resource) pulumi.ResourceOption { return pulumi.DependsOn(resources) }
