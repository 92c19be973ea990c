package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

var distribution = Check{
	ID:       CheckDistribution,
	Title:    "regional distribution",
	Proves:   "requests from every region are answered by every region in the declared shares",
	Needs:    []Capability{CapabilityDeployer, CapabilityWorkload, CapabilityRegions},
	Deadline: 6 * time.Minute,
	Timed:    true,
	Reasons: timedReasons(
		recordsLost, localityUnknown, requestErrors,
		Cause{
			ReasonShareOutOfBounds, "the declared weights do not explain the answers",
			report.Remedy{
				Object: "localityLbSetting.distribute of the DestinationRule, in every primary cluster",
				Text:   "compare the rule with the weights of the configuration",
			},
		},
	),
	run: checkDistribution,
}

// ReasonShareOutOfBounds is the reason of check "distribution".
const ReasonShareOutOfBounds Reason = "ShareOutOfBounds"

// What the distribution check is able to see.
const (
	distributionShift = 0.05 // a share that is off by five points ...
	distributionPower = 0.99 // ... is noticed with this probability
	distributionRate  = 100  // requests per second from all load generators together: each opens a connection of its own
)

// DistributionData is what check "distribution" measured.
type DistributionData struct {
	Rule topology.Rule `json:"rule"`
	// Rate is the number of requests per second from each load generator, Requests the
	// number in all from each region: its load generators share it.
	Rate     int `json:"rate"`
	Requests int `json:"requests"`
	// FalseAlarm is the probability with which a mesh that keeps to the weights
	// fails the check: the sum over all load generators and regions.
	FalseAlarm float64 `json:"falseAlarm"`
	// Shift is the error, as a share, that is noticed with probability Power.
	Shift      float64        `json:"shift"`
	Power      float64        `json:"power"`
	Regions    []Distribution `json:"regions"` // all load generators of a region together
	Generators []Distribution `json:"generators"`
}

// Distribution is how the requests of one load generator, or of one region's, were spread.
type Distribution struct {
	From     string        `json:"from,omitempty"` // the load generator's cluster
	Region   string        `json:"region"`
	Via      string        `json:"via,omitempty"` // "mesh" or "ingress"
	Requests int           `json:"requests"`
	Errors   int           `json:"errors"`
	Retries  *int          `json:"retries,omitempty"` // by Envoy; left out where it does not count
	Shares   []RegionShare `json:"shares"`
	// Dispersion is the variance of the count of the region's own answers in
	// windows of 50, over the variance of independent draws: below 1 the proxy
	// spreads more evenly than chance.
	Dispersion float64 `json:"dispersion"`
}

// RegionShare is one region's part of the answers.
type RegionShare struct {
	Region   string  `json:"region"`
	Declared float64 `json:"declared"`
	Answers  int     `json:"answers"`
	Share    float64 `json:"share"`
	Least    int     `json:"least"` // fewer answers than this are an error
	Most     int     `json:"most"`  // and more than this
}

// checkDistribution calls a workload with declared weights from every region and
// compares who answered.
func checkDistribution(ctx context.Context, m *session, out *outcome) {
	rule := m.rules.Distribute
	if !m.judgeNodes(ctx, out) {
		return
	}
	m.inScenario(ctx, mesh.Scenario{Name: "distribution", Traffic: rule}, out, func(m *session) {
		generators, finding := m.generators(ctx)
		if finding == nil {
			finding = m.localities(ctx, generators) // without regions there is nothing to count
		}
		if finding != nil {
			out.add(*finding)
			return
		}
		served := m.servedRegions()
		of := map[string]int{} // load generators by region
		for _, g := range generators {
			of[g.From.Region]++
		}
		alpha := falseAlarm / float64((len(generators)+len(of))*len(served))
		n, least := 0, len(generators)
		for from, generators := range of {
			least = min(least, generators)
			for _, to := range served {
				n = max(n, sampleSize(declared(rule, from, to), distributionShift, alpha, distributionPower))
			}
		}
		rate := max(1, distributionRate/len(generators))
		each := (n + least - 1) / least
		plan := load.Plan{Rate: rate, Duration: time.Duration(each) * time.Second / time.Duration(rate), Timeout: m.timeouts.Request}
		load.Drive(ctx, generators, load.Plan{Rate: rate, Duration: load.WarmUp, Timeout: m.timeouts.Request})
		traces := load.Drive(ctx, generators, plan)
		where := mesh.Homes(ctx, m.members, m.workload)
		data := DistributionData{
			Rule: rule, Rate: rate, Requests: n, FalseAlarm: falseAlarm,
			Shift: distributionShift, Power: distributionPower,
		}
		pooled := map[string]*load.Trace{}
		for i := range traces {
			t := &traces[i]
			if err := t.Complete(plan); err != nil {
				out.add(Finding{Reason: ReasonRecordsLost, Cluster: t.From.Name, Object: t.String(), Message: err.Error()})
				continue
			}
			d := distributionOf(t, rule, served, where, alpha)
			d.judge(t, out)
			data.Generators = append(data.Generators, d)
			region := t.From.Region
			if pooled[region] == nil {
				pooled[region] = &load.Trace{Generator: load.Generator{From: t.From, URL: t.URL}}
			}
			pooled[region].Records = append(pooled[region].Records, t.Records...)
		}
		for _, region := range slices.Sorted(maps.Keys(pooled)) {
			d := distributionOf(pooled[region], rule, served, where, alpha)
			d.From, d.Dispersion = "", 0 // of interleaved load generators it means nothing
			d.judge(pooled[region], out)
			data.Regions = append(data.Regions, d)
		}
		out.data = data
		out.summary = data.summary()
	})
}

// servedRegions are the regions in which the workload runs, sorted.
func (m *session) servedRegions() []string {
	seen := map[string]bool{}
	for _, c := range m.members {
		if len(m.workload.Versions[c.Name]) > 0 {
			seen[c.Region] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// declared is the share that a rule gives a region.
func declared(rule topology.Rule, from, to string) float64 {
	return float64(rule.Weights[from][to]) / 100
}

func distributionOf(t *load.Trace, rule topology.Rule, served []string, where map[string]mesh.Cluster, alpha float64) Distribution {
	from := t.From.Region
	d := Distribution{From: t.From.Name, Region: from, Via: t.Via, Requests: len(t.Records), Retries: t.Retries}
	answers := map[string]int{}
	var own []bool
	for _, r := range t.Records {
		if !r.OK() {
			d.Errors++
			continue
		}
		region := where[r.Instance].Region
		answers[region]++
		own = append(own, region == from)
	}
	for _, region := range served {
		p := declared(rule, from, region)
		s := RegionShare{Region: region, Declared: p, Answers: answers[region]}
		if len(own) > 0 {
			s.Share = float64(s.Answers) / float64(len(own))
		}
		s.Least, s.Most = acceptance(len(own), p, alpha)
		d.Shares = append(d.Shares, s)
	}
	d.Dispersion = dispersion(own, declared(rule, from, from))
	return d
}

// dispersion compares the variance of hits in windows of 50 with np(1-p).
func dispersion(hits []bool, p float64) float64 {
	const window = 50
	windows := len(hits) / window
	if windows == 0 || p <= 0 || p >= 1 {
		return 0
	}
	var sum float64
	for w := range windows {
		n := 0
		for _, hit := range hits[w*window : (w+1)*window] {
			if hit {
				n++
			}
		}
		off := float64(n) - window*p
		sum += off * off
	}
	return sum / float64(windows) / (window * p * (1 - p))
}

func (d *Distribution) judge(t *load.Trace, out *outcome) {
	object := t.String()
	if d.Via == "" {
		object = "all of " + d.Region
	} else if d.Errors > 0 {
		out.add(Finding{
			Reason: ReasonRequestErrors, Cluster: d.From, Object: object,
			Message: fmt.Sprintf("%d of %d requests failed: %s", d.Errors, d.Requests, firstFailure(t)),
		}, traceEvidence(t))
	}
	for _, s := range d.Shares {
		if s.Answers < s.Least || s.Answers > s.Most {
			out.add(Finding{
				Reason: ReasonShareOutOfBounds, Cluster: d.From, Object: object,
				Message: fmt.Sprintf("%s gave %d of %d answers (%.1f%%); declared are %.0f%%, which explains %d to %d",
					s.Region, s.Answers, d.Requests-d.Errors, 100*s.Share, 100*s.Declared, s.Least, s.Most),
			}, traceEvidence(t))
		}
	}
}

func firstFailure(t *load.Trace) string {
	for _, r := range t.Records {
		if !r.OK() {
			return r.Failure()
		}
	}
	return ""
}

// traceEvidence is the count of what came back, by status, error and answering pod.
func traceEvidence(t *load.Trace) gather {
	counts := map[string]int{}
	for _, r := range t.Records {
		what := "answer of " + r.Instance
		if !r.OK() {
			what = r.Failure()
		}
		counts[what]++
	}
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%6d %s\n", counts[what], what)
	}
	return textEvidence(&mesh.Member{Cluster: t.From}, EvidenceRequests, "requests via "+t.Via+" to "+t.URL, excerpt(b.String()))
}

func (d *DistributionData) summary() string {
	var parts []string
	for _, r := range d.Regions {
		var shares []string
		for _, s := range r.Shares {
			shares = append(shares, fmt.Sprintf("%s %.1f%% (%d in [%d, %d])", s.Region, 100*s.Share, s.Answers, s.Least, s.Most))
		}
		parts = append(parts, fmt.Sprintf("%d requests from %s: %s", r.Requests, r.Region, strings.Join(shares, ", ")))
	}
	most := 0.0
	for _, l := range d.Generators {
		most = max(most, l.Dispersion)
	}
	return fmt.Sprintf("%s; dispersion up to %.2f; a shift of %.0f points is seen with %.0f%% power at %.0e",
		strings.Join(parts, "; "), most, 100*d.Shift, 100*d.Power, d.FalseAlarm)
}

// judgeNodes compares the nodes' regions, where istiod reads those of pods, with
// what is declared. A rule with weights leaves out endpoints of any other region.
func (m *session) judgeNodes(ctx context.Context, out *outcome) bool {
	good := true
	for _, c := range m.members {
		nodes, err := c.Nodes(ctx)
		if err != nil {
			out.add(unreachable(c, "", err))
			return false
		}
		for _, n := range nodes {
			if got := n.Labels[corev1.LabelTopologyRegion]; got != c.Region {
				good = false
				out.add(Finding{
					Reason: ReasonLocalityUnknown, Cluster: c.Name, Object: "node " + n.Name,
					Message: fmt.Sprintf("label %s is %q; declared is %s", corev1.LabelTopologyRegion, got, c.Region),
				})
			}
		}
	}
	return good
}
