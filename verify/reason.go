package verify

import "github.com/meshwright/meshwright/report"

// Causes that any check can have.
const (
	ReasonClusterUnreachable Reason = "ClusterUnreachable"     // the API server does not answer
	ReasonProbeFailed        Reason = "ProbeFailed"            // a proxy, istiod or client could not be asked
	ReasonTimedOut           Reason = "TimedOut"               // the attempt was cut off before it ended
	ReasonPanicked           Reason = "Panicked"               // a defect of the check itself
	ReasonNotSelected               = report.ReasonNotSelected // left out by the caller
	ReasonInterrupted        Reason = "Interrupted"            // the run was stopped before the check was done
	ReasonNoWorkload         Reason = "NoWorkload"             // there is nothing to call in this mesh
)

// Causes of a failed check "planes".
const (
	ReasonControlPlaneMissing     Reason = "ControlPlaneMissing"
	ReasonControlPlaneUnavailable Reason = "ControlPlaneUnavailable"
	ReasonGatewayMissing          Reason = "GatewayMissing"
	ReasonGatewayUnavailable      Reason = "GatewayUnavailable"
	ReasonAddressPending          Reason = "AddressPending"         // the load balancer gave none
	ReasonAddressMismatch         Reason = "AddressMismatch"        // not the planned one
	ReasonAddressSilent           Reason = "AddressSilent"          // nothing answers there
	ReasonCrossNetworkPortClosed  Reason = "CrossNetworkPortClosed" // the gateway is up, 15443 is shut
)

// Causes of a failed check "trust".
const (
	ReasonNoIdentity          Reason = "NoIdentity"          // a proxy holds no certificate
	ReasonRootsDiffer         Reason = "RootsDiffer"         // two proxies do not trust each other's root
	ReasonChainInvalid        Reason = "ChainInvalid"        // a chain does not verify at its own root
	ReasonCertificateExpired  Reason = "CertificateExpired"  // or not yet valid
	ReasonNoIntermediate      Reason = "NoIntermediate"      // signed by the root itself
	ReasonWrongIssuer         Reason = "WrongIssuer"         // not the intermediate of its control plane
	ReasonWrongIdentity       Reason = "WrongIdentity"       // not the SPIFFE name of its service account
	ReasonTrustDomainMismatch Reason = "TrustDomainMismatch" // more than one trust domain
	ReasonRootsMixed          Reason = "RootsMixed"          // warning: several roots, all mutually trusted
	ReasonWorkloadMissing     Reason = "WorkloadMissing"     // no running pod to look at
)

// Causes of a failed check "discovery".
const (
	ReasonRemoteMissing      Reason = "RemoteMissing"      // istiod knows nothing of a peer cluster
	ReasonRemoteNotSynced    Reason = "RemoteNotSynced"    // istiod cannot read a peer cluster
	ReasonProxyDisconnected  Reason = "ProxyDisconnected"  // a proxy is connected to no istiod
	ReasonServiceMissing     Reason = "ServiceMissing"     // the callers' cluster has no such Service
	ReasonEndpointDirect     Reason = "EndpointDirect"     // a pod address of another network, where its gateway belongs
	ReasonEndpointMissing    Reason = "EndpointMissing"    // a proxy knows no endpoint of a cluster
	ReasonEndpointUnexpected Reason = "EndpointUnexpected" // an endpoint that belongs to no cluster
	ReasonConfigRejected     Reason = "ConfigRejected"     // a proxy rejected configuration
)

// Causes of a failed check "calls".
const (
	ReasonClientMissing      Reason = "ClientMissing"      // no running client pod
	ReasonNoAnswer           Reason = "NoAnswer"           // every request of a client failed
	ReasonVersionUnreachable Reason = "VersionUnreachable" // a version never answered
	ReasonRequestErrors      Reason = "RequestErrors"      // every version answered, but requests failed
	ReasonVersionUnexpected  Reason = "VersionUnexpected"  // an answer from a version that nobody declared
	ReasonRecordsLost        Reason = "RecordsLost"        // fewer records than requests
)

// Causes of a failed check "networks".
const (
	ReasonControlFailed   Reason = "ControlFailed"   // a positive control: the target does not answer those who must reach it
	ReasonPodUnreachable  Reason = "PodUnreachable"  // one network, but its pods do not reach each other
	ReasonNotIsolated     Reason = "NotIsolated"     // two networks, but a pod reaches the other's directly
	ReasonGatewayBypassed Reason = "GatewayBypassed" // a proxy calls pods of another network themselves
	ReasonGatewayOnPath   Reason = "GatewayOnPath"   // a proxy calls its own network through a gateway
	ReasonCallerHidden    Reason = "CallerHidden"    // a server sees the callers' node in place of the callers
	ReasonPathUnproven    Reason = "PathUnproven"    // no answers, or not as many requests where they should have gone
)

// Causes that a timed check can have: it deploys a workload of its own.
const (
	ReasonNoDeployer  Reason = "NoDeployer"  // nothing may be deployed in this mesh
	ReasonNoRegions   Reason = "NoRegions"   // regional traffic needs two regions
	ReasonNotDeployed Reason = "NotDeployed" // the scenario's workload did not come up
	ReasonNotRemoved  Reason = "NotRemoved"  // warning: something of the scenario is left
)

// Causes of a failed check "distribution" or "failover".
const (
	ReasonLocalityUnknown  Reason = "LocalityUnknown"  // a node or an endpoint is in no declared region
	ReasonShareOutOfBounds Reason = "ShareOutOfBounds" // the declared weights do not explain the answers
	ReasonNotLocal         Reason = "NotLocal"         // a healthy region's requests were answered elsewhere
	ReasonNotShifted       Reason = "NotShifted"       // the failing region's requests did not move
	ReasonRequestsLost     Reason = "RequestsLost"     // requests failed on the way
	ReasonNotBack          Reason = "NotBack"          // the restored region did not get its requests back
)

// Causes of a failed check "mtls".
const (
	ReasonPlaintextAccepted Reason = "PlaintextAccepted" // an answer to a caller without a certificate
	ReasonRefusalUnproven   Reason = "RefusalUnproven"   // no answer, but not for want of a certificate
)
