package stacks

import (
	"fmt"

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
	"github.com/meshwright/meshwright/stacks/plan"
)

// deploy composes the lab. What a step needs of an earlier one it names; all that
// it does not name runs at the same time, in every cluster at once.
func deploy(ctx *pulumi.Context, plan *Plan, set *artifacts.Set) error {
	l := &lab{plan: plan, set: set, members: map[string]*member{}}
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
		{"peering", l.each(l.letOthersWatch)},
		{"exposure", l.primaries(l.expose)},
		{"gateways of primaries", l.primaries(l.installGateways)},
		{"gateways of remotes", l.remotes(l.installGateways)},
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
	set  *artifacts.Set

	tls     pulumi.ResourceOption
	own     pulumi.ResourceOption
	network *cluster.Network
	root    *meshca.RootCA
	members map[string]*member
}

// member is what the steps know of one cluster.
type member struct {
	*plan.Member

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
			if err := do(ctx, l.member(&l.plan.Clusters[i])); err != nil {
				return fmt.Errorf("%s: %w", l.plan.Clusters[i].Name, err)
			}
		}
		return nil
	}
}

func (l *lab) member(planned *plan.Member) *member {
	if l.members[planned.Name] == nil {
		l.members[planned.Name] = &member{Member: planned, remoteSecrets: map[string]*peering.RemoteSecret{}}
	}
	return l.members[planned.Name]
}

// primaries and remotes run a step for some of the clusters: what a remote needs of
// its primary has to be registered first, whatever the order of the configuration.
func (l *lab) primaries(do func(*pulumi.Context, *member) error) func(*pulumi.Context) error {
	return l.each(func(ctx *pulumi.Context, m *member) error {
		if !m.Primary() {
			return nil
		}
		return do(ctx, m)
	})
}

func (l *lab) remotes(do func(*pulumi.Context, *member) error) func(*pulumi.Context) error {
	return l.each(func(ctx *pulumi.Context, m *member) error {
		if m.Primary() {
			return nil
		}
		return do(ctx, m)
	})
}

// startProviders makes the providers that belong to no cluster. Default providers
// are switched off, so that nothing ever lands in a cluster of the user's.
func (l *lab) startProviders(ctx *pulumi.Context) error {
	certificates, err := tls.NewProvider(ctx, "tls", nil)
	if err != nil {
		return err
	}
	own, err := cluster.NewProvider(ctx, "meshwright")
	if err != nil {
		return err
	}
	l.tls, l.own = pulumi.Provider(certificates), pulumi.Provider(own)
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

// routePods joins the pods of clusters that share a network. A mesh without such
// clusters needs no command provider, and gets none.
func (l *lab) routePods(ctx *pulumi.Context) error {
	if !l.plan.Flat() {
		return nil
	}
	provider, err := command.NewProvider(ctx, "command", nil)
	if err != nil {
		return err
	}
	return l.each(func(ctx *pulumi.Context, m *member) error {
		if len(m.FlatPeers) == 0 {
			return nil
		}
		args := &peering.PodRoutesArgs{PodSubnet: m.PodSubnet.String(), ClusterID: m.cluster.ID}
		for _, n := range m.Nodes {
			args.Nodes = append(args.Nodes, n.Name)
		}
		for _, name := range m.FlatPeers {
			peer := l.plan.Member(name)
			args.Peers = append(args.Peers, peering.Peer{Gateway: peer.Nodes[0].Name, PodSubnet: peer.PodSubnet.String()})
		}
		_, err := peering.NewPodRoutes(ctx, m.Name+"-routes-to-peers", args, pulumi.Provider(provider), m.cluster.GoesWith())
		return err
	})(ctx)
}

func (l *lab) installLoadBalancer(ctx *pulumi.Context, m *member) error {
	_, err := loadbalancer.NewMetalLB(ctx, m.Name+"-metallb", &loadbalancer.MetalLBArgs{
		Addresses: m.AddressPool.String(), Artifacts: l.set,
	}, m.inside)
	return err
}

// installControlPlane gives a primary its istiod with a CA of its own, and points a
// remote at its primary's.
func (l *lab) installControlPlane(ctx *pulumi.Context, m *member) error {
	args := &istio.ControlPlaneArgs{
		Mesh:          istio.Mesh{ID: l.plan.MeshID, Cluster: m.Name, Network: m.Network},
		Artifacts:     l.set,
		ServesRemotes: m.ServesRemotes,
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
		primary := l.plan.Member(m.ControlPlane)
		args.Remote = &istio.RemoteArgs{ControlPlane: primary.Name, PilotAddress: primary.EastWestAddress.String()}
	}
	var err error
	m.controlPlane, err = istio.NewControlPlane(ctx, m.Name+"-istio", args, m.inside)
	return err
}

// letOthersWatch hands the cluster's reader's token to every primary that watches it.
func (l *lab) letOthersWatch(ctx *pulumi.Context, m *member) error {
	if len(m.WatchedBy) == 0 {
		return nil
	}
	reader, err := peering.NewReader(ctx, m.Name+"-reader", &peering.ReaderArgs{},
		m.inside, after(m.controlPlane.Base))
	if err != nil {
		return err
	}
	for _, watcher := range m.WatchedBy {
		// Not before the istiod chart has bound the reader to its role here: an
		// istiod that is refused once waits long before it asks again.
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

// expose opens a primary's east-west gateways.
func (l *lab) expose(ctx *pulumi.Context, m *member) (err error) {
	if !l.hasEastWest(m) {
		return nil
	}
	m.exposure, err = istio.NewExposure(ctx, m.Name+"-exposure", &istio.ExposureArgs{
		Services: l.plan.Networks() > 1, Istiod: m.ServesRemotes,
	}, m.inside, after(m.controlPlane.Base, m.controlPlane.Istiod))
	return err
}

// hasEastWest says whether the primary or a remote of it has an east-west gateway.
func (l *lab) hasEastWest(primary *member) bool {
	for _, m := range l.plan.Clusters {
		if m.ControlPlane == primary.Name && m.EastWest {
			return true
		}
	}
	return false
}

// injected is what pods of a cluster wait for, so that they are born with a proxy: a
// primary's own istiod; for a remote, that its primary watches it and that the way
// there, through the primary's east-west gateway, is open.
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
	if err != nil || !m.EastWest {
		return err
	}
	m.eastWest, err = istio.NewGateway(ctx, m.Name+"-eastwest", &istio.GatewayArgs{
		Name: istio.EastWestGateway, Address: m.EastWestAddress.String(),
		NetworkGateway: m.Network, Injected: m.controlPlane.Injected, Artifacts: l.set,
	}, m.inside, l.injected(m))
	return err
}

func (l *lab) deploySample(ctx *pulumi.Context, m *member) error {
	if l.plan.Sample == nil {
		return nil
	}
	app, err := sample.NewHelloWorld(ctx, m.Name+"-sample", &sample.HelloWorldArgs{
		Namespace: l.plan.Sample.Namespace, Versions: m.HelloWorld,
		Injected: m.controlPlane.Injected, Artifacts: l.set,
	}, m.inside, l.injected(m))
	if err != nil || !m.Primary() {
		return err
	}
	_, err = sample.NewRoutes(ctx, m.Name+"-routes", &sample.RoutesArgs{
		Namespace: l.plan.Sample.Namespace, Traffic: l.plan.Sample.Traffic,
	}, m.inside, after(m.controlPlane.Base, app.Namespace))
	return err
}

// after makes a resource wait for others.
func after(resources ...pulumi.Resource) pulumi.ResourceOption { return pulumi.DependsOn(resources) }
