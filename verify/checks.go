package verify

import (
	"context"
	"regexp"
	"slices"
	"time"
)

// check is one property of a mesh.
type check struct {
	id       string
	title    string
	proves   string
	applies  func(*session) (Reason, string) // a reason to skip, or ""; nil: always applies
	deadline func(Timeouts) time.Duration
	reasons  []Reason // causes before consequences
	// timed checks bring up a workload of their own and put load on it: they run
	// alone, once, and only when they are asked for.
	timed bool
	run   func(context.Context, *session, *outcome)
}

// The ids of the checks.
const (
	CheckPlanes    = "planes"
	CheckTrust     = "trust"
	CheckDiscovery = "discovery"
	CheckCalls     = "calls"
	CheckNetworks  = "networks"

	// Timed ones.
	CheckDistribution = "distribution"
	CheckFailover     = "failover"
	CheckMTLS         = "mtls"
)

// checks lists every check once, in the order of the report.
var checks = []check{
	{
		id:       CheckPlanes,
		title:    "control planes, gateways and addresses",
		proves:   "every istiod and gateway is available, and every gateway answers at the address planned for it",
		deadline: func(t Timeouts) time.Duration { return t.Planes },
		reasons: []Reason{
			ReasonControlPlaneMissing, ReasonControlPlaneUnavailable, ReasonGatewayMissing, ReasonGatewayUnavailable,
			ReasonAddressPending, ReasonAddressMismatch, ReasonAddressSilent, ReasonCrossNetworkPortClosed,
		},
		run: checkPlanes,
	},
	{
		id:       CheckTrust,
		title:    "one root of trust",
		proves:   "every proxy's certificate chain verifies at the root that all proxies trust, through the intermediate of its control plane",
		deadline: func(t Timeouts) time.Duration { return t.Trust },
		reasons: []Reason{
			ReasonWorkloadMissing, ReasonNoIdentity, ReasonRootsDiffer, ReasonCertificateExpired, ReasonChainInvalid,
			ReasonNoIntermediate, ReasonWrongIssuer, ReasonTrustDomainMismatch, ReasonWrongIdentity, ReasonRootsMixed,
		},
		run: checkTrust,
	},
	{
		id:       CheckDiscovery,
		title:    "discovery across clusters",
		proves:   "every control plane reads every cluster, and every proxy holds the endpoints of every cluster and has rejected nothing",
		applies:  needsWorkload,
		deadline: func(t Timeouts) time.Duration { return t.Discovery },
		reasons: []Reason{
			ReasonRemoteMissing, ReasonRemoteNotSynced, ReasonProxyDisconnected, ReasonServiceMissing,
			ReasonEndpointDirect, ReasonWorkloadMissing, ReasonEndpointMissing, ReasonEndpointUnexpected, ReasonConfigRejected,
		},
		run: checkDiscovery,
	},
	{
		id:       CheckCalls,
		title:    "cross-cluster calls",
		proves:   "every version answers a client in every cluster, and every cluster's ingress, without an error",
		applies:  needsWorkload,
		deadline: func(t Timeouts) time.Duration { return t.Calls },
		reasons: []Reason{
			ReasonClientMissing, ReasonRecordsLost, ReasonNoAnswer, ReasonVersionUnreachable, ReasonRequestErrors, ReasonVersionUnexpected,
		},
		run: checkCalls,
	},
	{
		id:       CheckNetworks,
		title:    "networks direct or isolated",
		proves:   "pods of one network reach each other and no gateway is between them; pods of different networks do not, and call through the gateways",
		applies:  needsWorkload,
		deadline: func(t Timeouts) time.Duration { return t.Networks },
		reasons: []Reason{
			ReasonClientMissing, ReasonWorkloadMissing, ReasonControlFailed, ReasonPodUnreachable, ReasonNotIsolated,
			ReasonGatewayBypassed, ReasonGatewayOnPath, ReasonCallerHidden, ReasonPathUnproven,
		},
		run: checkNetworks,
	},
	{
		id:       CheckDistribution,
		title:    "regional distribution",
		proves:   "requests from every region are answered by every region in the declared shares",
		timed:    true,
		applies:  needsRegions,
		deadline: func(t Timeouts) time.Duration { return t.Timed },
		reasons: append(scenarioReasons,
			ReasonRecordsLost, ReasonLocalityUnknown, ReasonRequestErrors, ReasonShareOutOfBounds, ReasonNotRemoved),
		run: checkDistribution,
	},
	{
		id:       CheckFailover,
		title:    "regional failover",
		proves:   "when a region's sidecars stop listening its requests are answered by another region, none is lost, and they come back after the repair",
		timed:    true,
		applies:  needsRegions,
		deadline: func(t Timeouts) time.Duration { return t.Timed },
		reasons: append(scenarioReasons,
			ReasonRecordsLost, ReasonLocalityUnknown, ReasonNotLocal, ReasonNotShifted, ReasonRequestsLost, ReasonNotBack, ReasonNotRemoved),
		run: checkFailover,
	},
	{
		id:       CheckMTLS,
		title:    "mutual TLS",
		proves:   "under STRICT mTLS a caller without a certificate is turned away, from a pod and from the node",
		timed:    true,
		applies:  needsDeployer,
		deadline: func(t Timeouts) time.Duration { return t.Timed },
		reasons: append(scenarioReasons,
			ReasonPlaintextAccepted, ReasonControlFailed, ReasonRefusalUnproven, ReasonNotRemoved),
		run: checkMTLS,
	},
}

// scenarioReasons are what can go wrong before a timed check measures anything.
var scenarioReasons = slices.Clip([]Reason{
	ReasonNotDeployed, ReasonClientMissing, ReasonRemoteMissing, ReasonRemoteNotSynced, ReasonProxyDisconnected,
	ReasonServiceMissing, ReasonEndpointDirect, ReasonWorkloadMissing, ReasonEndpointMissing, ReasonEndpointUnexpected, ReasonConfigRejected,
})

// IDs returns the ids of all checks, in the order of the report.
func IDs() []string { return ids(func(check) bool { return true }) }

// ReadOnlyIDs returns the ids of the checks that change nothing and run by default.
func ReadOnlyIDs() []string { return ids(func(c check) bool { return !c.timed }) }

// TimedIDs returns the ids of the checks that bring up a workload of their own,
// which run only when Options.Full or Options.Only asks for them.
func TimedIDs() []string { return ids(func(c check) bool { return c.timed }) }

func ids(pick func(check) bool) []string {
	var out []string
	for _, c := range checks {
		if pick(c) {
			out = append(out, c.id)
		}
	}
	return out
}

func needsWorkload(m *session) (Reason, string) {
	if m.workload.Empty() {
		return ReasonNoWorkload, withFlags("no workload to call; deploy the sample (`meshwright up` does) or name one", m.flags)
	}
	return "", ""
}

// command is a command of meshwright's in a text, up to where its flags may end.
var command = regexp.MustCompile("`meshwright [^`]+")

// withFlags makes a text's commands address the lab that the flags choose.
func withFlags(text, flags string) string {
	return command.ReplaceAllStringFunc(text, func(c string) string { return c + flags })
}

// hint says what to do about a failure of that cause.
func (m *session) hint(r Reason) string { return withFlags(hints[r], m.flags) }

// hints say what to do next, by the cause of a failure. Commands of meshwright's are in
// backquotes, for withFlags.
var hints = map[Reason]string{
	ReasonClusterUnreachable: "run `meshwright status`; if a node was stopped, start it or run `meshwright up`",
	ReasonProbeFailed:        "see the evidence; `meshwright collect` gathers logs and proxy dumps",
	ReasonTimedOut:           "the machine may be overloaded; run the check again, or raise --timeout",
	ReasonPanicked:           "this is a defect of meshwright: please report it with the output of `meshwright collect`",

	ReasonControlPlaneMissing:     "run `meshwright up --refresh`: istiod is not installed",
	ReasonControlPlaneUnavailable: "kubectl -n istio-system describe deployment istiod; kubectl -n istio-system logs deploy/istiod",
	ReasonGatewayMissing:          "run `meshwright up --refresh`: the gateway is not installed",
	ReasonGatewayUnavailable:      "kubectl -n istio-system get deploy,pods; a gateway with 0 replicas, or one whose proxy is not ready, serves nothing",
	ReasonAddressPending:          "kubectl -n metallb-system get pods,ipaddresspools: the load balancer gave no address",
	ReasonAddressMismatch:         "the Service's address differs from the plan: run `meshwright up --refresh`, or check the address pools",
	ReasonAddressSilent:           "kubectl -n metallb-system logs ds/metallb-speaker: the address is announced by no node, or its gateway does not listen",
	ReasonCrossNetworkPortClosed:  "kubectl get gateways.networking.istio.io -A: a Gateway with port 15443, AUTO_PASSTHROUGH and selector istio=eastwestgateway is missing; `meshwright up --refresh` restores it",

	ReasonWorkloadMissing:     "kubectl get pods -n <namespace>: the workload does not run",
	ReasonNoIdentity:          "kubectl logs -c istio-proxy: the proxy could not get a certificate from its control plane",
	ReasonRootsDiffer:         "the clusters' `cacerts` were made from different roots: give all control planes intermediates of one root, restart istiod, then the workloads",
	ReasonCertificateExpired:  "check the machine's clock and the certificates in `cacerts`; restart the pod to get a new certificate",
	ReasonChainInvalid:        "the `cacerts` bundle is inconsistent: cert-chain.pem must lead from ca-cert.pem to root-cert.pem",
	ReasonNoIntermediate:      "the control plane signs with the root itself: `cacerts` is missing or was not loaded; restart istiod after creating it",
	ReasonWrongIssuer:         "the proxy's certificate predates the control plane's present CA, or came from another one: restart the pod",
	ReasonTrustDomainMismatch: "set one meshConfig.trustDomain in all clusters, or trustDomainAliases",
	ReasonWrongIdentity:       "the proxy holds another workload's certificate: restart the pod",
	ReasonRootsMixed:          "a root rotation is under way; finish it by dropping the old root",

	ReasonRemoteMissing:      "the remote secret is missing: `meshwright up --refresh` creates it (istioctl create-remote-secret by hand)",
	ReasonRemoteNotSynced:    "istiod cannot reach the peer's API server: the server in its remote secret must be reachable from a pod, never 127.0.0.1; then its token must be valid",
	ReasonProxyDisconnected:  "the proxy has no connection to istiod: check istiod's readiness and its Service's endpoints",
	ReasonServiceMissing:     "create the Service in the callers' cluster too: sidecars resolve only names that exist there",
	ReasonEndpointDirect:     "label topology.istio.io/network of those pods (else of that cluster's namespace istio-system) names the wrong network: istiod takes them for neighbours",
	ReasonEndpointMissing:    "compare `istioctl proxy-config endpoints` with the pods; check the remote secret, the network labels and the east-west gateway's address",
	ReasonEndpointUnexpected: "a stale endpoint: if it stays, restart the istiod that serves this proxy",
	ReasonConfigRejected:     "see istiod's log for \"ADS:.* ACK ERROR\"; a proxy without Istio's own filters needs the switches that `artifacts: airgap` sets",

	ReasonClientMissing:      "deploy the client (`sleep` of the sample) in that cluster: `meshwright up --refresh` does",
	ReasonRecordsLost:        "the client was cut off; run the check again, then `meshwright collect`",
	ReasonNoAnswer:           "see checks planes and discovery first; then the client's istio-proxy log in the evidence",
	ReasonVersionUnreachable: "see checks planes, trust and discovery: they name the broken part of the way to that version",
	ReasonRequestErrors:      "see the request log in the evidence: flags and error texts name the hop that failed",
	ReasonVersionUnexpected:  "the workload differs from what was declared: check the sample's deployments",

	ReasonControlFailed:   "nothing reaches the target where something must: see checks planes, trust and discovery first, then that cluster's network plug-in and NetworkPolicies",
	ReasonPodUnreachable:  "the route to that cluster's pods is missing or goes elsewhere: look with `ip route` on the client's node; `docker exec NODE systemctl enable --now meshwright-routes` puts it back",
	ReasonNotIsolated:     "these pods are on one network in truth: give both clusters the same `network`, or remove the route between them (`ip route` on the nodes)",
	ReasonGatewayBypassed: "label topology.istio.io/network of those pods (else of that cluster's namespace istio-system) names the wrong network: istiod takes them for neighbours",
	ReasonGatewayOnPath:   "istiod takes clusters of one network for strangers: compare the label topology.istio.io/network of their namespaces istio-system and of their pods",
	ReasonCallerHidden:    "the callers' node rewrites their addresses: it must not masquerade what goes to pods of its network; `docker exec NODE systemctl enable --now meshwright-routes` puts the exception back, for connections made from then on",
	ReasonPathUnproven:    "see checks planes, discovery and calls: no answer came that way, more came than its endpoints carried, or no server has a connection of its caller's (see the evidence)",

	ReasonNotDeployed: "see the message; `meshwright verify --cleanup` removes what is left, `meshwright status` shows the clusters",
	ReasonNotRemoved:  "run `meshwright verify --cleanup`",

	ReasonLocalityUnknown:  "label the nodes with topology.kubernetes.io/region (and zone) before pods start: `meshwright up --refresh`, then restart the pods",
	ReasonShareOutOfBounds: "compare the DestinationRule's localityLbSetting.distribute with the configuration's weights, in every primary",
	ReasonNotLocal:         "the DestinationRule needs localityLbSetting.failover and outlierDetection, and every node a region",
	ReasonNotShifted:       "outlierDetection.maxEjectionPercent must allow the whole region to be ejected: profile zero-loss sets it",
	ReasonRequestsLost:     "see the kinds of errors; profile zero-loss retries what is safe to repeat",
	ReasonNotBack:          "the restored pods are not ready, or still ejected (baseEjectionTime)",

	ReasonPlaintextAccepted: "a PeerAuthentication in the workload's or the root namespace overrules STRICT: kubectl get peerauthentications -A",
	ReasonRefusalUnproven:   "the caller did not reach the pod at all: check its network before trusting the refusal",
}
