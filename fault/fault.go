package fault

import (
	"context"
	"fmt"
)

// Fault is one way to break a mesh.
type Fault struct {
	Name  string
	Title string
	// Needs are the conditions under which a mesh can have the fault.
	Needs []Need
	// OnWorkload is a fault of the subject's workload: its pods or the rules in its
	// namespace. It ends with the workload. The other faults are of the mesh itself.
	OnWorkload bool
	// SelfHealing is a fault that the cluster repairs; Restore waits for it.
	SelfHealing bool

	at    func(*Subject) *member // the cluster that is broken, which keeps the record
	steps steps
}

// All lists every fault once.
func All() []Fault {
	return []Fault{
		// Of the mesh.
		wrongNetworkLabel,
		remoteSecretLoopback,
		anotherRoot,
		eastWestGatewayGone,
		crossNetworkGatewayDeleted,
		istiodUnready,
		routeBetweenNetworks,
		podRouteGone,
		callersMasqueraded,
		istiodHidden,
		regionLabelsMissing,

		// Of a workload and its rules.
		wrongWeights,
		outlierDetectionMissing,
		mtlsPermissive,
		drain,
		graceful,
		kill,
	}
}

// Named returns the fault of that name.
func Named(name string) (Fault, error) {
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
	}
	return Fault{}, fmt.Errorf("there is no fault %q", name)
}

// Lacks says why the subject cannot have the fault, or "".
func (f Fault) Lacks(s *Subject) string {
	if err := Check(s, f.Needs); err != nil {
		return err.Error()
	}
	return ""
}

// Prepare finds what the fault will change and writes a record of it into the mesh.
// It changes nothing else. A record that is there already is an error: what it holds
// has not been restored.
func (f Fault) Prepare(ctx context.Context, s *Subject) (*Record, error) {
	if err := Check(s, f.Needs); err != nil {
		return nil, fmt.Errorf("fault %s %w", f.Name, err)
	}
	at := f.at(s)
	r := &Record{Fault: f.Name, Cluster: at.Name, Namespace: system}
	if f.OnWorkload {
		r.Namespace = s.Workload.Namespace
	}
	if err := f.steps.remember(ctx, s, at, r); err != nil {
		return nil, fmt.Errorf("fault %s: %w", f.Name, err)
	}
	return r, r.keep(ctx, at)
}

// Inject breaks the mesh and returns when it is broken as far as the API server can
// tell. After an error the mesh may be broken in part: restore it.
func (f Fault) Inject(ctx context.Context, s *Subject, r *Record) error {
	s, at, err := f.recorded(s, r)
	if err != nil {
		return err
	}
	return f.steps.inject(ctx, s, at, r)
}

// Restore undoes what Inject did, waits until the objects are as they were, and
// removes the record. It may be called again after an error, and by another process.
func (f Fault) Restore(ctx context.Context, s *Subject, r *Record) error {
	s, at, err := f.recorded(s, r)
	if err != nil {
		return err
	}
	if err := f.steps.restore(ctx, s, at, r); err != nil {
		return err
	}
	return r.forget(ctx, at)
}

// recorded returns the cluster that the record is about, and the subject with the
// record's workload.
func (f Fault) recorded(s *Subject, r *Record) (*Subject, *member, error) {
	out := *s
	if f.OnWorkload {
		out.Workload.Namespace = r.Namespace
	}
	if at := s.member(r.Cluster); at != nil {
		return &out, at, nil
	}
	return nil, nil, fmt.Errorf("fault %s: cluster %s is not among the clusters", f.Name, r.Cluster)
}

// Recognise returns the record of the fault that is in the mesh, or nil when it has
// been restored or was never injected. An error means that this is unknown.
func (f Fault) Recognise(ctx context.Context, s *Subject) (*Record, error) {
	left, err := s.records(ctx, recordLabel+"="+f.Name)
	if err != nil || len(left) == 0 {
		return nil, err
	}
	return &left[0], nil
}

// Leftovers returns the records of all faults that have not been restored.
func Leftovers(ctx context.Context, s *Subject) ([]Record, error) {
	return s.records(ctx, recordLabel)
}
