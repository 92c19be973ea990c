package verify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

var failover = Check{
	ID:       CheckFailover,
	Title:    "regional failover",
	Proves:   "when a region's sidecars stop listening its requests are answered by another region, none is lost, and they return after the restore",
	Needs:    []Capability{CapabilityDeployer, CapabilityWorkload, CapabilityRegions},
	Deadline: 6 * time.Minute,
	Timed:    true,
	Reasons: timedReasons(
		recordsLost, localityUnknown,
		Cause{
			ReasonNotLocal, "requests of a healthy region were answered elsewhere",
			report.Remedy{Text: "the DestinationRule needs localityLbSetting.failover and outlierDetection, and every node a region"},
		},
		Cause{
			ReasonNotShifted, "requests of the failing region did not move to the region that the rule names",
			report.Remedy{Text: "outlierDetection.maxEjectionPercent must allow to eject the whole region; profile zero-loss sets it"},
		},
		Cause{
			ReasonRequestsLost, "requests failed on the way",
			report.Remedy{Text: "see the kinds of errors; profile zero-loss retries what is safe to repeat"},
		},
		Cause{
			ReasonNotBack, "requests did not return to the restored region",
			report.Remedy{Object: "the restored pods and baseEjectionTime", Text: "the pods are not ready, or still ejected"},
		},
	),
	run: checkFailover,
}

// Reasons of check "failover".
const (
	ReasonNotLocal     Reason = "NotLocal"
	ReasonNotShifted   Reason = "NotShifted"
	ReasonRequestsLost Reason = "RequestsLost"
	ReasonNotBack      Reason = "NotBack"
)

// localShare is the least share of requests that must be answered where they belong.
const localShare = 0.99

// checkFailover drains the sidecars of a region under load, and restores them.
func checkFailover(ctx context.Context, m *session, out *outcome) {
	if !m.judgeNodes(ctx, out) {
		return
	}
	m.inScenario(ctx, mesh.Scenario{Name: "failover", Traffic: m.rules.Failover}, out, func(m *session) {
		if data := m.failover(ctx, out); data != nil {
			out.data, out.summary = data, data.Summary()
		}
	})
}

// failover makes one run of the drain drill on the workload of m and judges it. It
// returns nil when nothing was measured, which is a finding.
func (m *session) failover(ctx context.Context, out *outcome) *drill.Data {
	ready := Readiness{Members: m.members, Timeouts: m.timeouts}
	data, findings := drill.Drain.Measure(ctx, drill.Setting{
		Members: m.members, Workload: m.workload, Sources: m.sources, Timeout: m.timeouts.Request, Localities: ready.Localities,
	}, drill.Plan{})
	for _, f := range findings {
		out.add(Finding{Reason: Reason(f.Reason), Cluster: f.Cluster, Object: f.Object, Message: f.Message, Warning: f.Warning})
	}
	if data == nil {
		return nil
	}
	for i := range data.Generators {
		judgeFailover(&data.Generators[i], data, out)
		data.Generators[i].Points = nil // a report shows figures; a drill shows the timeline
	}
	return data
}

// judgeFailover decides about one load generator, by what the rule's profile promises.
func judgeFailover(f *drill.Figures, d *drill.Data, out *outcome) {
	object := "load generator via " + f.Via
	report := func(reason Reason, format string, args ...any) {
		out.add(Finding{Reason: reason, Cluster: f.From, Object: object, Message: fmt.Sprintf(format, args...)})
	}
	if f.Local < localShare {
		report(ReasonNotLocal, "before the fault %.1f%% of the answers came from %s itself", 100*f.Local, d.Region)
	}
	if f.Remote < localShare {
		report(ReasonNotShifted, "from %s after the fault %.1f%% of the requests were answered in %s", drill.ShiftWithin, 100*f.Remote, d.To)
	}
	if d.Rule.Profile != topology.Article && f.Lost > 0 {
		report(ReasonRequestsLost, "%d of %d requests were lost: %s", f.Lost, f.Recorded, losses(f))
	}
	if f.Failback == nil {
		report(ReasonNotBack, "the last requests were not answered in %s, which had been restored", d.Region)
	}
}

// losses lists what became of lost requests, most frequent first.
func losses(f *drill.Figures) string {
	kinds := slices.SortedFunc(maps.Keys(f.Errors), func(a, b string) int {
		return cmp.Or(f.Errors[b]-f.Errors[a], strings.Compare(a, b))
	})
	var parts []string
	for _, kind := range kinds[:min(3, len(kinds))] {
		parts = append(parts, fmt.Sprintf("%d× %s", f.Errors[kind], report.Clip(kind, 120)))
	}
	return strings.Join(parts, "; ")
}
