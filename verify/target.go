package verify

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

// Timeouts name every wait of a verification. A zero field takes its default.
type Timeouts struct {
	// Checks is how long a check is tried, by its id. A check that is left out
	// takes its own Deadline.
	Checks map[string]time.Duration

	Attempt  time.Duration // bound of one attempt; default 14s
	Interval time.Duration // pause between attempts; default 500ms
	Request  time.Duration // bound of one request of a traffic check; default 3s
	Dial     time.Duration // bound of one TCP connection; default 1s
	Evidence time.Duration // bound of collecting evidence after a failure; default 5s
	Settle   time.Duration // until every proxy knows the workload of a timed check; default 30s
}

func (t Timeouts) withDefaults() Timeouts {
	for field, value := range map[*time.Duration]time.Duration{
		&t.Attempt: 14 * time.Second, &t.Interval: 500 * time.Millisecond,
		&t.Request: 3 * time.Second, &t.Dial: time.Second, &t.Evidence: 5 * time.Second,
		&t.Settle: 30 * time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return t
}

// of is how long a check is tried.
func (t Timeouts) of(c Check) time.Duration {
	if d, ok := t.Checks[c.ID]; ok {
		return d
	}
	return c.Deadline
}

// Options are the inputs of Run.
type Options struct {
	Targets  []mesh.Cluster
	Workload mesh.Workload
	MeshID   string
	Only     []string // ids of the checks to run; empty for all that are not timed
	Full     bool     // run the timed checks too
	Timeouts Timeouts
	// Deployer brings up the workloads of timed checks; without one they do not
	// apply. Rules are what is declared for them.
	Deployer mesh.Deployer
	Rules    mesh.Rules
	// Once makes one attempt per check instead of waiting for it to pass.
	Once bool

	Log      *slog.Logger // may be nil
	Progress func(Event)  // may be nil; called from several goroutines, one call at a time
}

// Event tells the caller how a run advances.
type Event struct {
	Kind    EventKind `json:"kind"`
	Check   string    `json:"check"`
	Title   string    `json:"title"`
	Attempt int       `json:"attempt,omitempty"` // EventRetry: attempts made so far
	Detail  string    `json:"detail,omitempty"`  // EventRetry: what the attempt saw; EventStep: what comes now
	Result  *Result   `json:"result,omitempty"`  // EventDone
}

// EventKind is the kind of an Event.
type EventKind string

// The kinds of Event.
const (
	EventStart EventKind = "start" // a check begins
	EventRetry EventKind = "retry" // an attempt failed and another follows
	EventStep  EventKind = "step"  // a timed check begins its next step
	EventDone  EventKind = "done"  // the check has a result
)

// validate refuses options that no check could work with. An unknown check is an
// *UnknownCheckError.
func validate(o Options) error {
	if len(o.Targets) == 0 {
		return report.WithRemedies(errors.New("nothing to verify: no clusters"),
			report.Remedy{Operation: report.OperationUp, Text: "bring a lab up"})
	}
	names := map[string]bool{}
	for _, t := range o.Targets {
		switch {
		case t.Name == "":
			return fmt.Errorf("a cluster to verify has no name")
		case names[t.Name]:
			return fmt.Errorf("cluster %s is listed twice", t.Name)
		case t.Config == nil:
			return fmt.Errorf("cluster %s: no kubeconfig", t.Name)
		}
		names[t.Name] = true
	}
	for _, t := range o.Targets {
		if !names[t.ControlPlane] {
			return fmt.Errorf("cluster %s: its control plane %q is not among the clusters", t.Name, t.ControlPlane)
		}
	}
	for cluster := range o.Workload.Versions {
		if !names[cluster] {
			return fmt.Errorf("workload %s: cluster %q is not among the clusters", o.Workload.Service, cluster)
		}
	}
	for _, id := range slices.Concat(o.Only, slices.Collect(maps.Keys(o.Timeouts.Checks))) {
		if err := KnownID(id); err != nil {
			return err
		}
	}
	return nil
}
