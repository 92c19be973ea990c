package fault

import (
	"context"
	"slices"

	"github.com/meshwright/meshwright/verify"
)

// Outcome is what a check must say while a fault is in force.
type Outcome struct {
	Status verify.Status `json:"status"`
	Reason verify.Reason `json:"reason,omitempty"`
}

var green = Outcome{Status: verify.Passed}

func red(r verify.Reason) Outcome { return Outcome{Status: verify.Failed, Reason: r} }

// Fault is one way to break a mesh.
type Fault struct {
	Name  string
	Title string
	// Want declares the outcome of every check that is not timed.
	Want map[string]Outcome
	// needs says why the fault does not apply to a mesh, or "".
	needs func(*lab) string
	// inject breaks the mesh and returns when it is broken as far as the API
	// server can tell. The repair it returns is not nil whenever anything was
	// changed, also together with an error; it may be called more than once.
	inject func(context.Context, *lab) (repair func(context.Context) error, err error)
}

// want declares one row: the checks that are not named stay green.
func want(rows map[string]Outcome) map[string]Outcome {
	out := map[string]Outcome{}
	for _, id := range verify.ReadOnlyIDs() {
		out[id] = green
	}
	for id, o := range rows {
		out[id] = o
	}
	return out
}

// All lists every fault once.
func All() []Fault {
	return []Fault{
		{
			Name:  "wrong-network-label",
			Title: "a workload's pods are labelled with another cluster's network",
			Want: want(map[string]Outcome{
				verify.CheckDiscovery:    red(verify.ReasonEndpointDirect),
				verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
				verify.CheckNetworks:     red(verify.ReasonGatewayBypassed),
			}),
			needs: needsTwoNetworks, inject: wrongNetworkLabel,
		},
		{
			Name:  "remote-secret-loopback",
			Title: "a remote secret points at 127.0.0.1",
			Want: want(map[string]Outcome{
				verify.CheckDiscovery:    red(verify.ReasonRemoteNotSynced),
				verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
				verify.CheckNetworks:     red(verify.ReasonPathUnproven),
			}),
			needs: needsTwoPrimaries, inject: remoteSecretLoopback,
		},
		{
			Name:  "another-root",
			Title: "a cluster's control plane signs with another root",
			Want: want(map[string]Outcome{
				verify.CheckTrust:        red(verify.ReasonRootsDiffer),
				verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
				verify.CheckNetworks:     red(verify.ReasonPathUnproven),
			}),
			needs: needsTwoPrimaries, inject: anotherRoot,
		},
		{
			Name:  "east-west-gateway-gone",
			Title: "the east-west gateway of another network is scaled to 0",
			Want: want(map[string]Outcome{
				verify.CheckControlPlane: red(verify.ReasonGatewayUnavailable),
				verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
				verify.CheckNetworks:     red(verify.ReasonPathUnproven),
			}),
			needs: needsGatewayBetween, inject: eastWestGone,
		},
		{
			Name:  "cross-network-gateway-deleted",
			Title: "a cluster's cross-network Gateway object is deleted",
			Want: want(map[string]Outcome{
				verify.CheckControlPlane: red(verify.ReasonCrossNetworkPortClosed),
				verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
				verify.CheckNetworks:     red(verify.ReasonPathUnproven),
			}),
			needs: needsTwoNetworks, inject: crossNetworkDeleted,
		},
		{
			Name:  "istiod-unready",
			Title: "a cluster's istiod runs, but is never ready",
			// Traffic goes on with what the proxies know, and says so.
			Want: want(map[string]Outcome{
				verify.CheckControlPlane: red(verify.ReasonControlPlaneUnavailable),
				verify.CheckDiscovery:    red(verify.ReasonProxyDisconnected),
			}),
			needs: needsTwoPrimaries, inject: istiodUnready,
		},
		{
			Name:  "route-between-networks",
			Title: "a node has a route to the pods of another network",
			Want:  want(map[string]Outcome{verify.CheckNetworks: red(verify.ReasonNotIsolated)}),
			needs: needsApart, inject: routeBetweenNetworks,
		},
		{
			Name:  "pod-route-gone",
			Title: "a node has no route to the pods of another cluster on its network",
			Want: want(map[string]Outcome{
				verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
				verify.CheckNetworks:     red(verify.ReasonPodUnreachable),
			}),
			needs: needsNeighbours, inject: podRouteGone,
		},
		{
			Name:  "callers-masqueraded",
			Title: "a node masquerades what its pods send to another cluster on its network",
			Want:  want(map[string]Outcome{verify.CheckNetworks: red(verify.ReasonCallerHidden)}),
			needs: needsNeighbours, inject: callersMasqueraded,
		},
		{
			Name:  "istiod-hidden",
			Title: "the Gateway object that shows a primary's istiod to its remotes is deleted",
			// As with istiod-unready, traffic goes on.
			Want:  want(map[string]Outcome{verify.CheckDiscovery: red(verify.ReasonProxyDisconnected)}),
			needs: needsRemote, inject: istiodHidden,
		},
	}
}

func needsTwoPrimaries(l *lab) string {
	if l.victim == nil || l.witness == nil {
		return "needs two clusters with control planes of their own"
	}
	return ""
}

func needsTwoNetworks(l *lab) string {
	if why := needsTwoPrimaries(l); why != "" {
		return why
	}
	if l.victim.Network == l.witness.Network || l.victim.EastWestAddress == "" {
		return "needs two networks with an east-west gateway"
	}
	return ""
}

// needsGatewayBetween: check calls notices a gateway behind which is a version that
// nobody else serves.
func needsGatewayBetween(l *lab) string {
	_, b := l.pair(false)
	if b == nil || b.EastWestAddress == "" {
		return "needs two networks with an east-west gateway"
	}
	own := func(v string) bool { return slices.Contains(l.workload.Versions[b.Name], v) }
	for _, s := range l.sites {
		if s != b && slices.ContainsFunc(l.workload.Versions[s.Name], own) {
			return "needs a network with versions of its own"
		}
	}
	return ""
}

func needsRemote(l *lab) string {
	if _, primary := l.remote(); primary == nil || primary.EastWestAddress == "" {
		return "needs a cluster under another's control plane"
	}
	return ""
}

func needsApart(l *lab) string {
	a, b := l.pair(false)
	return needsNodes(l, a, b, "needs two clusters on different networks")
}

func needsNeighbours(l *lab) string {
	a, b := l.pair(true)
	return needsNodes(l, a, b, "needs two clusters on one network")
}

func needsNodes(l *lab, a, b *site, why string) string {
	switch {
	case a == nil || b == nil:
		return why
	case l.nodeExec == nil:
		return "needs a way into the nodes"
	}
	return ""
}
