package verify

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
)

// outcome gathers what one attempt at a check sees. It is safe for concurrent
// use, so that a check may look at all clusters at once.
type outcome struct {
	mu       sync.Mutex
	findings []finding
	summary  string // of a pass
	data     any
	timedOut bool
	certain  bool // another attempt would say nothing new
}

// finding is a Finding with what proves it, which is collected when it is reported.
type finding struct {
	Finding
	evidence []gather
}

// add records a finding, with what proves it. Evidence is collected only when
// the attempt turns out to be the last one.
func (o *outcome) add(f Finding, evidence ...gather) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.findings = append(o.findings, finding{f, evidence})
}

// failed reports whether there is a finding that is not a warning.
func (o *outcome) failed() bool {
	return slices.ContainsFunc(o.findings, func(f finding) bool { return !f.Warning })
}

// reported are the findings without what proves them.
func (o *outcome) reported() []Finding {
	var out []Finding
	for _, f := range o.findings {
		out = append(out, f.Finding)
	}
	return out
}

// sort puts failures before warnings and causes before consequences, by the
// check's own order of reasons; reasons that any check can have come first,
// since nothing after them is certain.
func (o *outcome) sort(order []Cause) {
	rank := func(r Reason) int {
		is := func(c Cause) bool { return c.Reason == r }
		if i := slices.IndexFunc(commonReasons, is); i >= 0 {
			return i - len(commonReasons)
		}
		return slices.IndexFunc(order, is)
	}
	slices.SortStableFunc(o.findings, func(a, b finding) int {
		if a.Warning != b.Warning {
			if b.Warning {
				return -1
			}
			return 1
		}
		return cmp.Or(rank(a.Reason)-rank(b.Reason), strings.Compare(a.Cluster, b.Cluster))
	})
}

// maxEvidence bounds a report: a mesh that is down altogether would otherwise
// attach every log of every pod.
const maxEvidence = 12

// gather collects the evidence of the findings, in their order.
func (o *outcome) gather(ctx context.Context) []Evidence {
	var collect []gather
	for _, f := range o.findings {
		collect = append(collect, f.evidence...)
	}
	collect = collect[:min(len(collect), maxEvidence)]
	out := make([]Evidence, len(collect))
	var wg group
	for i, f := range collect {
		wg.Go(func() { out[i] = f(ctx) })
	}
	wg.Wait()
	return slices.DeleteFunc(out, func(e Evidence) bool { return e.Content == "" })
}

// only is how many findings there are when all of them have the reason, else 0.
func (o *outcome) only(r Reason) int {
	if o == nil || slices.ContainsFunc(o.findings, func(f finding) bool { return f.Reason != r }) {
		return 0
	}
	return len(o.findings)
}
