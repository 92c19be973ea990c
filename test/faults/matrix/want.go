package matrix

import (
	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/verify"
)

// Outcome is what a check must say while a fault is in force.
type Outcome struct {
	Status verify.Status `json:"status"`
	Reason verify.Reason `json:"reason,omitempty"`
}

func (o Outcome) String() string {
	if o.Reason == "" {
		return string(o.Status)
	}
	return string(o.Status) + " " + string(o.Reason)
}

var green = Outcome{Status: verify.Passed}

func red(r verify.Reason) Outcome { return Outcome{Status: verify.Failed, Reason: r} }

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

// wants declares, by fault, the outcome of every check that is not timed.
var wants = map[string]map[string]Outcome{
	"wrong-network-label": want(map[string]Outcome{
		verify.CheckDiscovery:    red(verify.ReasonEndpointDirect),
		verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
		verify.CheckNetworks:     red(verify.ReasonGatewayBypassed),
	}),
	"remote-secret-loopback": want(map[string]Outcome{
		verify.CheckDiscovery:    red(verify.ReasonRemoteNotSynced),
		verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
		verify.CheckNetworks:     red(verify.ReasonPathUnproven),
	}),
	"another-root": want(map[string]Outcome{
		verify.CheckTrust:        red(verify.ReasonRootsDiffer),
		verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
		verify.CheckNetworks:     red(verify.ReasonPathUnproven),
	}),
	"east-west-gateway-gone": want(map[string]Outcome{
		verify.CheckControlPlane: red(verify.ReasonGatewayUnavailable),
		verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
		verify.CheckNetworks:     red(verify.ReasonPathUnproven),
	}),
	"cross-network-gateway-deleted": want(map[string]Outcome{
		verify.CheckControlPlane: red(verify.ReasonCrossNetworkPortClosed),
		verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
		verify.CheckNetworks:     red(verify.ReasonPathUnproven),
	}),
	// Traffic goes on with what the proxies know, and says so.
	"istiod-unready": want(map[string]Outcome{
		verify.CheckControlPlane: red(verify.ReasonControlPlaneUnavailable),
		verify.CheckDiscovery:    red(verify.ReasonProxyDisconnected),
	}),
	"route-between-networks": want(map[string]Outcome{verify.CheckNetworks: red(verify.ReasonNotIsolated)}),
	"pod-route-gone": want(map[string]Outcome{
		verify.CheckConnectivity: red(verify.ReasonVersionUnreachable),
		verify.CheckNetworks:     red(verify.ReasonPodUnreachable),
	}),
	"callers-masqueraded": want(map[string]Outcome{verify.CheckNetworks: red(verify.ReasonCallerHidden)}),
	// As with istiod-unready, traffic goes on.
	"istiod-hidden": want(map[string]Outcome{verify.CheckDiscovery: red(verify.ReasonProxyDisconnected)}),
}

// timed declares, by fault, the outcome of the timed check that must notice it.
var timed = map[string]struct {
	check string
	want  Outcome
}{
	"wrong-weights":             {verify.CheckDistribution, red(verify.ReasonShareOutOfBounds)},
	"region-labels-missing":     {verify.CheckDistribution, red(verify.ReasonLocalityUnknown)},
	"outlier-detection-missing": {verify.CheckFailover, red(verify.ReasonNotLocal)},
	"mtls-permissive":           {verify.CheckMTLS, red(verify.ReasonPlaintextAccepted)},
}

// Faults returns the faults of the matrix, which Run plays.
func Faults() []fault.Fault {
	return pick(func(name string) bool { return wants[name] != nil })
}

// TimedFaults returns the faults that timed checks must notice, which RunTimed plays.
func TimedFaults() []fault.Fault {
	return pick(func(name string) bool { return timed[name].check != "" })
}

func pick(named func(string) bool) []fault.Fault {
	var out []fault.Fault
	for _, f := range fault.All() {
		if named(f.Name) {
			out = append(out, f)
		}
	}
	return out
}
