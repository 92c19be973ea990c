package drill

import (
	"fmt"
	"slices"
	"time"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// ShiftWithin is how long a failed region's requests may take to move.
const ShiftWithin = 5 * time.Second

// settled is the part of a stretch of time, at its end, in which nothing of a
// change may be left: otherwise it was not seen to its end.
const settled = 0.1

// Data is what one run measured. Times are seconds.
type Data struct {
	Rule       topology.Rule `json:"rule"`
	Region     string        `json:"region"` // the failing one
	To         string        `json:"to"`     // the one that the rule names
	Fault      string        `json:"fault"`
	Failed     []string      `json:"failed"` // the pods that it struck
	Rate       int           `json:"rate"`
	Started    time.Time     `json:"started"`
	Events     []Moment      `json:"events"`
	Generators []Figures     `json:"generators"`
}

// Moment is something that happened, in seconds since the load began.
type Moment struct {
	At   float64 `json:"at"`
	What string  `json:"what"`
}

// The moments of a run. A fault that heals itself has no MomentRestore.
const (
	MomentFault    = "fault"
	MomentFaulted  = "fault in force"
	MomentRestore  = "restore"
	MomentRestored = "restored"
)

// Figures are what one load generator in the failing region saw.
type Figures struct {
	From      string         `json:"from"`
	Via       string         `json:"via"`
	Scheduled int            `json:"scheduled"`
	Recorded  int            `json:"recorded"`
	Lost      int            `json:"lost"`
	Errors    map[string]int `json:"errors,omitempty"`  // lost requests by what became of them
	Retries   *int           `json:"retries,omitempty"` // by Envoy, which hid so many failures; left out where it does not count
	// Local is the share answered in the region itself before the fault, Remote
	// the share answered in the one that the rule names, from five seconds after
	// the fault until the restore; 0 for a fault that heals itself.
	Local  float64 `json:"local"`
	Remote float64 `json:"remote"`
	// FirstError is when the first request was lost, since the fault began; left
	// out when none was.
	FirstError *float64 `json:"firstError,omitempty"`
	// Shifted is when the last request was sent that was lost or still answered by
	// a failed pod, or in a region that the rule does not name, since the fault
	// began; left out when there were such requests to the last: until the restore,
	// or the end of the run where the fault heals itself.
	Shifted *float64 `json:"shifted,omitempty"`
	// Failback is when the last request was sent that was not answered in the
	// region, since the restore began (the fault, where it heals itself); left out
	// when requests did not come back.
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

func (d *Data) moment(what string) float64 {
	for _, e := range d.Events {
		if e.What == what {
			return e.At
		}
	}
	return -1
}

// figures evaluates one generator's records.
func (d *Data) figures(t load.Trace, plan load.Plan, where map[string]mesh.Cluster) Figures {
	f := Figures{
		From: t.From.Name, Via: t.Via, Scheduled: plan.Scheduled(), Recorded: len(t.Records),
		Retries: t.Retries, Errors: map[string]int{},
	}
	end := t.Records[len(t.Records)-1].At.Sub(d.Started).Seconds()
	fault, restore := d.moment(MomentFault), d.moment(MomentRestore)
	moving := restore // until then
	if restore < 0 {
		restore, moving = fault, end // a fault that heals itself begins to with the fault
	}
	var took []float64
	before, local, during, remote := 0, 0, 0, 0
	var lastFailed, lastElsewhere float64
	for _, r := range t.Records {
		p := RequestPoint{At: r.At.Sub(d.Started).Seconds(), Latency: load.Milliseconds(r.Latency), Status: r.Status}
		if r.OK() {
			at := where[r.Instance]
			p.Version, p.Pod, p.Cluster, p.Region = r.Version, r.Instance, at.Name, at.Region
			took = append(took, p.Latency)
		} else {
			p.Lost = r.Failure()
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
			if p.At >= fault+ShiftWithin.Seconds() {
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
	f.P50, f.P99 = load.Quantile(took, 0.50), load.Quantile(took, 0.99)
	return f
}

// over is when a change was over whose last trace was seen then; nil when that was too
// late within the time in which it was looked for.
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

// Summary is the run in a sentence.
func (d *Data) Summary() string {
	lost, sent, retries := 0, 0, 0
	moved := true
	var shifted, failback float64
	for _, f := range d.Generators {
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
		when = "but for some before the restore"
	}
	return fmt.Sprintf("%s failed (%s): all requests moved to %s %s and came back %.1f s after the restore began; %d of %d lost, %d retried",
		d.Region, d.Fault, d.To, when, failback, lost, sent, retries)
}
