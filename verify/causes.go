package verify

import (
	"slices"

	"github.com/meshwright/meshwright/report"
)

// Reasons that every check can have.
const (
	ReasonPanicked           Reason = "Panicked"
	ReasonClusterUnreachable Reason = "ClusterUnreachable"
	ReasonTimedOut           Reason = "TimedOut"
	ReasonProbeFailed        Reason = "ProbeFailed"
)

// Reasons to skip any check.
const (
	ReasonNotSelected Reason = "NotSelected" // Options.Only leaves the check out
	ReasonInterrupted Reason = "Interrupted" // the run was stopped before the check was done
)

// commonReasons are those of every check, most causal first.
var commonReasons = []Cause{
	{
		ReasonPanicked, "the check itself failed, which is a defect",
		report.Remedy{Operation: report.OperationCollect, Text: "report the defect together with an archive"},
	},
	{
		ReasonClusterUnreachable, "the API server does not answer",
		report.Remedy{Operation: report.OperationStatus, Text: "if a node is stopped, start it or bring the lab up again"},
	},
	{
		ReasonTimedOut, "the attempt was cut off before it ended",
		report.Remedy{Text: "the machine may be overloaded; run the check again, or allow it more time"},
	},
	{
		ReasonProbeFailed, "a proxy, an istiod or a client could not be asked",
		report.Remedy{Operation: report.OperationCollect, Text: "see the evidence; an archive has all logs and proxy dumps"},
	},
}

// RemedyOf says what to do about a reason that several checks or a drill can have; it
// is zero for the others.
func RemedyOf(r Reason) report.Remedy {
	for _, list := range [][]Cause{timedReasons(), commonReasons} {
		if i := slices.IndexFunc(list, func(c Cause) bool { return c.Reason == r }); i >= 0 {
			return list[i].Remedy
		}
	}
	return report.Remedy{}
}

// CommonReasons returns the reasons that every check can have.
func CommonReasons() []Cause { return slices.Clone(commonReasons) }

// Reasons that several checks can have.
const (
	ReasonWorkloadMissing Reason = "WorkloadMissing"
	ReasonClientMissing   Reason = "ClientMissing"
	ReasonRecordsLost     Reason = "RecordsLost"
	ReasonRequestErrors   Reason = "RequestErrors"
	ReasonControlFailed   Reason = "ControlFailed"
	ReasonLocalityUnknown Reason = "LocalityUnknown"
	ReasonNotDeployed     Reason = "NotDeployed"
	ReasonNotRemoved      Reason = "NotRemoved"
)

var (
	workloadMissing = Cause{
		ReasonWorkloadMissing, "no pod of the workload runs, or is ready, where one is declared",
		report.Remedy{Operation: report.OperationRefresh, Text: "the workload does not run", Command: "kubectl get pods -n NAMESPACE"},
	}
	clientMissing = Cause{
		ReasonClientMissing, "no client pod is ready",
		report.Remedy{Operation: report.OperationRefresh, Text: "deploy the client in that cluster; in the sample it is `sleep`"},
	}
	recordsLost = Cause{
		ReasonRecordsLost, "there are fewer records than requests",
		report.Remedy{Operation: report.OperationCollect, Text: "the client was cut off; run the check again, then gather an archive"},
	}
	requestErrors = Cause{
		ReasonRequestErrors, "requests failed, though everything that must answer did",
		report.Remedy{Text: "the request log in the evidence shows flags and error texts of the hop that failed"},
	}
	controlFailed = Cause{
		ReasonControlFailed, "a positive control failed: the target does not answer even those who must reach it",
		report.Remedy{
			Text: "see the checks " + CheckControlPlane + ", " + CheckTrust + " and " + CheckDiscovery + " first, then the network plug-in and the NetworkPolicies of that cluster",
		},
	}
	localityUnknown = Cause{
		ReasonLocalityUnknown, "a node, an endpoint or a pod that answered is in no declared region",
		report.Remedy{
			Operation: report.OperationRefresh,
			Text:      "label the nodes with topology.kubernetes.io/region (and zone) before pods start, then restart the pods",
		},
	}
	notDeployed = Cause{
		ReasonNotDeployed, "the workload of the check did not become ready",
		report.Remedy{Operation: report.OperationCleanup, Text: "see the message; remove what is left before the next run"},
	}
	notRemoved = Cause{
		ReasonNotRemoved, "warning: a part of the check's workload could not be removed",
		report.Remedy{Operation: report.OperationCleanup, Text: "remove what is left"},
	}
)

// timedReasons are the reasons of a timed check: first what can go wrong before
// anything is measured, then its own, then what can be left behind.
func timedReasons(own ...Cause) []Cause {
	return slices.Concat([]Cause{notDeployed, clientMissing}, discovery.Reasons, own, []Cause{notRemoved})
}
