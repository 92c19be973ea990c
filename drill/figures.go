package verify

import (
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"

	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/load"
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
			Remedy{Text: "the DestinationRule needs localityLbSetting.failover and outlierDetection, and every node a region"},
		},
		Cause{
			ReasonNotShifted, "requests of the failing region did not move to the region that the rule names",
			Remedy{Text: "outlierDetection.maxEjectionPercent must allow to eject the whole region; profile zero-loss sets it"},
		},
		Cause{
			ReasonRequestsLost, "requests failed on the way",
			Remedy{Text: "see the kinds of errors; profile zero-loss retries what is safe to repeat"},
		},
		Cause{
			ReasonNotBack, "requests did not return to the restored region",
			Remedy{Object: "the restored pods and baseEjectionTime", Text: "the pods are not ready, or still ejected"},
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

// The ways in which a region fails.
const (
	FaultDrain    = "drain"    // its sidecars stop listening at once, as the article has it
	FaultGraceful = "graceful" // its sidecars discourage connections, then stop listening
	FaultKill     = "kill"     // its pods are gone without notice, and made again
)

// Faults lists them.
func Faults() []string { return []string{FaultDrain, FaultGraceful, FaultKill} }

// FailoverPlan says how a region is made to fail under load.
type FailoverPlan struct {
	Region   string // the failing one; "" for that of the first cluster that serves
	Fault    string // FaultDrain by default
	Rate     int    // requests per second from each loader; default failoverRate, shared
	Requests int    // from each loader over the whole run; default failoverSeconds of them
}

// A run has a time before the fault, one in which it lasts, and one after the
// repair, in these parts of the whole.
const (
	partBefore = 0.2
	partFault  = 0.6
)

// What a run sends where nothing is said: requests per second from all loaders
// together, each of which opens a connection of its own, and for how long.
const (
	failoverRate    = 100
	failoverSeconds = 48
)

// shiftWithin is how long a drained region's requests may take to move.
const shiftWithin = 5 * time.Second

// settled is the part of a stretch of time, at its end, in which nothing of a
// change may be left: otherwise it was not seen to its end.
const settled = 0.1

// localShare is the least share of requests that must be answered where they belong.
const localShare = 0.99

func (p FailoverPlan) withDefaults(m *session) FailoverPlan {
	if p.Fault == "" {
		p.Fault = FaultDrain
	}
	for _, c := range m.members {
		if p.Region == "" && len(m.workload.Versions[c.Name]) > 0 {
			p.Region = c.Region
		}
	}
	if p.Rate == 0 {
		p.Rate = max(1, failoverRate/max(1, m.loadersIn(p.Region)))
	}
	if p.Requests == 0 {
		p.Requests = failoverSeconds * p.Rate
	}
	return p
}

// loadersIn is how many loaders there will be in the region: in each cluster one, and
// one through its ingress.
func (m *session) loadersIn(region string) int {
	n := 0
	for _, c := range m.members {
		if c.Region != region {
			continue
		}
		n++
		if c.IngressAddress != "" {
			n++
		}
	}
	return n
}

func (p FailoverPlan) load(request time.Duration) load.Plan {
	return load.Plan{Rate: p.Rate, Duration: time.Duration(p.Requests) * time.Second / time.Duration(p.Rate), Timeout: request}
}

// FailoverData is what one failover measured. Times are seconds.
type FailoverData struct {
	Rule    topology.Rule `json:"rule"`
	Region  string        `json:"region"` // the failing one
	To      string        `json:"to"`     // the one that the rule names
	Fault   string        `json:"fault"`
	Failed  []string      `json:"failed"` // the pods that it struck
	Rate    int           `json:"rate"`
	Started time.Time     `json:"started"`
	Events  []Moment      `json:"events"`
	Loaders []Failover    `json:"loaders"`
}

// Moment is something that happened, in seconds since the load began.
type Moment struct {
	At   float64 `json:"at"`
	What string  `json:"what"`
}

// The moments of a failover.
const (
	MomentFault    = "fault"
	MomentFaulted  = "fault in force"
	MomentRestore  = "restore"
	MomentRestored = "restored"
)

// Failover is what one loader in the failing region saw.
type Failover struct {
	From      string         `json:"from"`
	Via       string         `json:"via"`
	Scheduled int            `json:"scheduled"`
	Recorded  int            `json:"recorded"`
	Lost      int            `json:"lost"`
	Errors    map[string]int `json:"errors,omitempty"`  // lost requests by what became of them
	Retries   *int           `json:"retries,omitempty"` // by Envoy, which hid so many failures; left out where it does not count
	// Local is the share answered in the region itself before the fault, Remote
	// the share answered in the one that the rule names, from five seconds after
	// the fault until the repair; 0 for a kill, which repairs itself.
	Local  float64 `json:"local"`
	Remote float64 `json:"remote"`
	// FirstError is when the first request was lost, since the fault began; left
	// out when none was.
	FirstError *float64 `json:"firstError,omitempty"`
	// Shifted is when the last request was sent that was lost or still answered by
	// a failed pod, or in a region that the rule does not name, since the fault
	// began; left out when there were such requests to the last: until the repair, or the end of the run where the fault (kill)
	// repairs itself.
	Shifted *float64 `json:"shifted,omitempty"`
	// Failback is when the last request was sent that was not answered in the
	// region, since the repair began (for kill: the fault); left out when requests
	// did not come back.
	Failback *float64 `json:"failback,omitempty"`
	P50      float64  `json:"p50Milliseconds"`
	P99      float64  `json:"p99Milliseconds"`
	// Slowest is the longest answer while the fault lasted.
	Slowest float64        `json:"slowestMilliseconds"`
	Points  []RequestPoint `json:"requests,omitempty"`
}

// RequestPoint is one request of a timeline.
type RequestPoint struct {
	At      float64 `json:"at"`               // when it was sent, in seconds since the load began
	Latency float64 `json:"milliseconds"`     // until its answer, or its failure
	Status  int     `json:"status,omitempty"` // of HTTP; left out without an answer
	Version string  `json:"version,omitempty"`
	Pod     string  `json:"pod,omitempty"` // that answered, of this cluster and region
	Cluster string  `json:"cluster,omitempty"`
	Region  string  `json:"region,omitempty"`
	Lost    string  `json:"lost,omitempty"` // what became of it, when it got no answer
}

// checkFailover drains the sidecars of a region under load, and restores them.
func checkFailover(ctx context.Context, m *session, out *outcome) {
	rule := m.rules.Failover
	if !m.judgeNodes(ctx, out) {
		return
	}
	m.inScenario(ctx, mesh.Scenario{Name: "failover", Traffic: rule}, out, func(m *session) {
		p := FailoverPlan{}.withDefaults(m)
		data := m.failover(ctx, p, out)
		if data == nil {
			return
		}
		for i := range data.Loaders {
			data.Loaders[i].judge(data, out)
			data.Loaders[i].Points = nil // a report shows figures; a drill shows the timeline
		}
		out.data = data
		out.summary = data.summary()
	})
}

// failover runs the plan on the workload of m and returns what was measured, or
// nil when it could not be run, which is a finding.
func (m *session) failover(ctx context.Context, p FailoverPlan, out *outcome) *FailoverData {
	loaders, finding := m.loaders(ctx, func(c *mesh.Member) bool { return c.Region == p.Region })
	if finding == nil && len(loaders) == 0 {
		finding = &Finding{Reason: ReasonProbeFailed, Message: "no cluster is in region " + p.Region}
	}
	if finding != nil {
		out.add(*finding)
		return nil
	}
	if !m.judgeLocalities(ctx, loaders, out) {
		return nil
	}
	rule := m.workload.Traffic
	data := &FailoverData{Rule: rule, Region: p.Region, To: rule.Failover[p.Region], Fault: p.Fault, Rate: p.Rate}
	plan := p.load(m.timeouts.Request)
	where := m.homes(ctx)

	m.drive(ctx, loaders, load.Plan{Rate: p.Rate, Duration: warmUp, Timeout: m.timeouts.Request})
	data.Started = time.Now()
	var traces []trace
	done := make(chan struct{})
	go func() {
		defer close(done)
		traces = m.drive(ctx, loaders, plan)
	}()
	err := m.breakAndMend(ctx, p, plan, data)
	<-done
	if err != nil {
		out.add(Finding{Reason: ReasonProbeFailed, Object: "region " + p.Region, Message: err.Error()})
		return nil
	}
	maps.Copy(where, m.homes(ctx)) // of the pods that came after the fault
	for i := range traces {
		t := &traces[i]
		if t.complete(plan, out) && t.placed(where, out) {
			data.Loaders = append(data.Loaders, t.failover(data, plan, where))
		}
	}
	return data
}

// placed reports answers of pods of which it is not known where they ran: they
// are in nobody's favour.
func (t *trace) placed(where map[string]mesh.Cluster, out *outcome) bool {
	strangers := map[string]int{}
	for _, r := range t.records {
		if r.OK() && where[r.Instance].Region == "" {
			strangers[r.Instance]++
		}
	}
	for pod, n := range strangers {
		out.add(Finding{
			Reason: ReasonLocalityUnknown, Cluster: t.member.Name, Object: t.where(),
			Message: fmt.Sprintf("%s came from pod %q, which was in no known region when the run began or ended", count(n, "answer"), pod),
		})
	}
	return len(strangers) == 0
}

func (d *FailoverData) moment(what string) float64 {
	for _, e := range d.Events {
		if e.What == what {
			return e.At
		}
	}
	return -1
}

// failover evaluates one loader's records.
func (t *trace) failover(d *FailoverData, plan load.Plan, where map[string]mesh.Cluster) Failover {
	f := Failover{
		From: t.member.Name, Via: t.via, Scheduled: plan.Scheduled(), Recorded: len(t.records),
		Retries: t.retries, Errors: map[string]int{},
	}
	end := t.records[len(t.records)-1].At.Sub(d.Started).Seconds()
	fault, restore := d.moment(MomentFault), d.moment(MomentRestore)
	moving := restore // until then
	if d.Fault == FaultKill {
		restore, moving = fault, end // its own repair begins with it
	}
	var took []time.Duration
	before, local, during, remote := 0, 0, 0, 0
	var lastFailed, lastElsewhere float64
	for _, r := range t.records {
		p := RequestPoint{At: r.At.Sub(d.Started).Seconds(), Latency: float64(r.Latency.Microseconds()) / 1000, Status: r.Status}
		if r.OK() {
			at := where[r.Instance]
			p.Version, p.Pod, p.Cluster, p.Region = r.Version, r.Instance, at.Name, at.Region
			took = append(took, r.Latency)
		} else {
			p.Lost = failure(r)
			f.Lost++
			f.Errors[p.Lost]++
			if f.FirstError == nil && p.At >= fault {
				first := p.At - fault
				f.FirstError = &first
			}
		}
		f.Points = append(f.Points, p)
		here, there := p.Region == d.Region, p.Region == d.To
		moved := there || here && !slices.Contains(d.Failed, r.Instance)
		if p.At >= fault && p.At <= moving && !moved {
			lastFailed = p.At - fault
		}
		switch {
		case p.At < fault:
			before++
			if here {
				local++
			}
		case p.At < restore:
			if p.At >= fault+shiftWithin.Seconds() {
				during++
				if there {
					remote++
				}
			}
			f.Slowest = max(f.Slowest, p.Latency)
		default:
			if !here {
				lastElsewhere = p.At - restore
			}
			f.Slowest = max(f.Slowest, p.Latency)
		}
	}
	f.Shifted, f.Failback = over(lastFailed, moving-fault), over(lastElsewhere, end-restore)
	f.Local, f.Remote = share(local, before), share(remote, during)
	slices.Sort(took)
	f.P50, f.P99 = Quantile(took, 0.50), Quantile(took, 0.99)
	return f
}

// over is when a change was over of which the last trace was seen then, nil when
// that was too late within the time in which it was looked for.
func over(last, within float64) *float64 {
	if last > (1-settled)*within {
		return nil
	}
	return &last
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// judge decides about one loader, by what the rule's profile promises.
func (f *Failover) judge(d *FailoverData, out *outcome) {
	object := "loader via " + f.Via
	report := func(reason Reason, format string, args ...any) {
		out.add(Finding{Reason: reason, Cluster: f.From, Object: object, Message: fmt.Sprintf(format, args...)})
	}
	if f.Local < localShare {
		report(ReasonNotLocal, "before the fault %.1f%% of the answers came from %s itself", 100*f.Local, d.Region)
	}
	if d.Fault == FaultDrain && f.Remote < localShare {
		report(ReasonNotShifted, "from %s after the fault %.1f%% of the requests were answered in %s", shiftWithin, 100*f.Remote, d.To)
	}
	if d.Rule.Profile != topology.Article && f.Lost > 0 {
		report(ReasonRequestsLost, "%d of %d requests were lost: %s", f.Lost, f.Recorded, f.losses())
	}
	if f.Failback == nil {
		report(ReasonNotBack, "the last requests were not answered in %s, which had been restored", d.Region)
	}
}

// losses lists what became of lost requests, most frequent first.
func (f *Failover) losses() string {
	kinds := slices.SortedFunc(maps.Keys(f.Errors), func(a, b string) int {
		return cmp.Or(f.Errors[b]-f.Errors[a], strings.Compare(a, b))
	})
	var parts []string
	for _, kind := range kinds[:min(3, len(kinds))] {
		parts = append(parts, fmt.Sprintf("%d× %s", f.Errors[kind], clip(kind, 120)))
	}
	return strings.Join(parts, "; ")
}

func (d *FailoverData) summary() string {
	lost, sent, retries := 0, 0, 0
	moved := true
	var shifted, failback float64
	for _, f := range d.Loaders {
		lost, sent = lost+f.Lost, sent+f.Recorded
		if f.Shifted == nil {
			moved = false
		} else {
			shifted = max(shifted, *f.Shifted)
		}
		if f.Failback != nil {
			failback = max(failback, *f.Failback)
		}
		if f.Retries != nil {
			retries += *f.Retries
		}
	}
	when := fmt.Sprintf("after %.2f s", shifted)
	if !moved {
		when = "but for some before the repair"
	}
	return fmt.Sprintf("%s failed (%s): all requests moved to %s %s and came back %.1f s after the repair began; %d of %d lost, %d retried",
		d.Region, d.Fault, d.To, when, failback, lost, sent, retries)
}
