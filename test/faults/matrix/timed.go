package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/verify"
)

// TimedFault is one way to break what a timed check measures.
type TimedFault struct {
	Name  string
	Title string
	Check string // the one that must go red
	Want  Outcome
	// before breaks a cluster before the check deploys its workload; the repair
	// is as Fault's. after breaks the workload itself, which nobody has to mend.
	before func(context.Context, *lab) (repair, error)
	after  func(context.Context, *lab, mesh.Workload) error
}

// AllTimed lists every timed fault once.
func AllTimed() []TimedFault {
	return []TimedFault{
		{
			Name: "wrong-weights", Title: "the rule in force says 70/30 where 80/20 is declared",
			Check: verify.CheckDistribution, Want: red(verify.ReasonShareOutOfBounds), after: wrongWeights,
		},
		{
			Name: "region-labels-missing", Title: "a cluster's nodes have no region",
			Check: verify.CheckDistribution, Want: red(verify.ReasonLocalityUnknown), before: regionLabelsMissing,
		},
		{
			Name: "outlier-detection-missing", Title: "the failover rule has no outlier detection",
			Check: verify.CheckFailover, Want: red(verify.ReasonNotLocal), after: noOutlierDetection,
		},
		{
			Name: "mtls-permissive", Title: "mTLS is permissive where strict is declared",
			Check: verify.CheckMTLS, Want: red(verify.ReasonPlaintextAccepted), after: permissive,
		},
	}
}

// TimedOptions choose what RunTimed plays.
type TimedOptions struct {
	Options
	Deployer mesh.Deployer
	Rules    mesh.Rules
}

// RunTimed plays each fault with the check that must see it, and sees every check
// green on the healthy mesh once: after the repair, where one of its faults was in
// the mesh itself, else before. Rows are as Run's.
func RunTimed(ctx context.Context, o TimedOptions) ([]Row, error) {
	l, err := o.open()
	if err != nil {
		return nil, err
	}
	if why := needsTwoPrimaries(l); why != "" {
		return nil, errors.New(why)
	}
	seen := map[string]bool{}
	for _, f := range AllTimed() {
		if o.wants(f.Name) && f.before != nil {
			seen[f.Check] = true
		}
	}
	for _, f := range AllTimed() {
		if o.wants(f.Name) && !seen[f.Check] {
			seen[f.Check] = true
			if err := o.mustBeGreen(ctx, f.Check); err != nil {
				return nil, err
			}
		}
	}
	var rows []Row
	for _, f := range AllTimed() {
		if !o.wants(f.Name) {
			continue
		}
		row, err := o.play(ctx, l, f)
		rows = append(rows, row)
		if err != nil {
			return rows, fmt.Errorf("fault %s: %w", f.Name, err)
		}
	}
	return rows, nil
}

func (o TimedOptions) mustBeGreen(ctx context.Context, check string) error {
	o.Progress("", "check "+check+" must be green")
	report, err := o.look(ctx, check, o.Deployer)
	if err != nil {
		return err
	}
	if c := report.Check(check); c.Status != verify.Passed {
		return fmt.Errorf("check %s is not green on a healthy mesh: %s", check, c.Summary)
	}
	return nil
}

func (o TimedOptions) look(ctx context.Context, check string, d mesh.Deployer) (*verify.Report, error) {
	return verify.Run(ctx, verify.Options{
		Targets: o.Targets, Workload: o.Workload, Only: []string{check}, Deployer: d, Rules: o.Rules,
	})
}

func (o TimedOptions) play(ctx context.Context, l *lab, f TimedFault) (Row, error) {
	row := Row{Fault: f.Name, Title: f.Title, Want: map[string]Outcome{f.Check: f.Want}}
	var inject func() (repair, error)
	if f.before != nil {
		inject = func() (repair, error) { return f.before(ctx, l) }
	}
	look := func() {
		report, err := o.look(ctx, f.Check, &breaker{Deployer: o.Deployer, fault: f, lab: l})
		if err != nil {
			row.Error = err.Error()
			return
		}
		c := report.Check(f.Check)
		row.Got = map[string]Outcome{f.Check: {Status: c.Status, Reason: c.Reason}}
		if row.Got[f.Check] != f.Want {
			row.Error, row.LastSeen = difference(row.Want, row.Got), report
		}
	}
	err := o.through(ctx, &row, inject, look, func() error { return o.mustBeGreen(ctx, f.Check) })
	return row, err
}

// breaker breaks every workload that it deploys.
type breaker struct {
	mesh.Deployer
	fault TimedFault
	lab   *lab
}

func (b *breaker) Deploy(ctx context.Context, s mesh.Scenario) (mesh.Workload, error) {
	w, err := b.Deployer.Deploy(ctx, s)
	if err != nil || b.fault.after == nil {
		return w, err
	}
	return w, b.fault.after(ctx, b.lab, w)
}

var (
	destinationRules    = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
	peerAuthentications = schema.GroupVersionResource{Group: "security.istio.io", Version: "v1", Resource: "peerauthentications"}
)

// change edits the objects of a kind in the workload's namespace, in both clusters.
func (l *lab) change(ctx context.Context, w mesh.Workload, kind schema.GroupVersionResource, edit func(*unstructured.Unstructured) error) error {
	for _, s := range []*site{l.witness, l.victim} {
		objects := s.dynamic.Resource(kind).Namespace(w.Namespace)
		list, err := objects.List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.Name, kind.Resource, err)
		}
		if len(list.Items) == 0 {
			return fmt.Errorf("%s: no %s in namespace %s", s.Name, kind.Resource, w.Namespace)
		}
		for i := range list.Items {
			if err := edit(&list.Items[i]); err != nil {
				return fmt.Errorf("%s: %s %s: %w", s.Name, kind.Resource, list.Items[i].GetName(), err)
			}
			if _, err := objects.Update(ctx, &list.Items[i], metav1.UpdateOptions{}); err != nil {
				return fmt.Errorf("%s: %s: %w", s.Name, kind.Resource, err)
			}
		}
	}
	return nil
}

// wrongWeights moves ten points of every region's own share to another.
func wrongWeights(ctx context.Context, l *lab, w mesh.Workload) error {
	const shift = 10
	return l.change(ctx, w, destinationRules, func(u *unstructured.Unstructured) error {
		path := []string{"spec", "trafficPolicy", "loadBalancer", "localityLbSetting", "distribute"}
		rules, found, err := unstructured.NestedSlice(u.Object, path...)
		if err != nil || !found {
			return fmt.Errorf("no weights: %w", err)
		}
		for _, rule := range rules {
			to, found, err := unstructured.NestedMap(rule.(map[string]any), "to") //nolint:forcetypeassert // the API server has validated it
			if err != nil || !found {
				return fmt.Errorf("no weights: %w", err)
			}
			most, least := "", ""
			for region, share := range to {
				if most == "" || share.(int64) > to[most].(int64) { //nolint:forcetypeassert // as above
					most = region
				}
				if least == "" || share.(int64) < to[least].(int64) { //nolint:forcetypeassert // as above
					least = region
				}
			}
			to[most], to[least] = to[most].(int64)-shift, to[least].(int64)+shift //nolint:forcetypeassert // as above
			rule.(map[string]any)["to"] = to                                      //nolint:forcetypeassert // as above
		}
		return unstructured.SetNestedSlice(u.Object, rules, path...)
	})
}

func noOutlierDetection(ctx context.Context, l *lab, w mesh.Workload) error {
	return l.change(ctx, w, destinationRules, func(u *unstructured.Unstructured) error {
		path := []string{"spec", "trafficPolicy", "outlierDetection"}
		if _, found, err := unstructured.NestedMap(u.Object, path...); err != nil || !found {
			return fmt.Errorf("no outlier detection: %w", err)
		}
		unstructured.RemoveNestedField(u.Object, path...)
		return nil
	})
}

func permissive(ctx context.Context, l *lab, w mesh.Workload) error {
	return l.change(ctx, w, peerAuthentications, func(u *unstructured.Unstructured) error {
		return unstructured.SetNestedField(u.Object, "PERMISSIVE", "spec", "mtls", "mode")
	})
}

// regionLabelsMissing takes the region from the victim's nodes: pods that start
// from now on are nowhere.
func regionLabelsMissing(ctx context.Context, l *lab) (repair, error) {
	nodes := l.victim.client.CoreV1().Nodes()
	list, err := nodes.List(ctx, metav1.ListOptions{LabelSelector: corev1.LabelTopologyRegion})
	if err != nil {
		return nil, fmt.Errorf("%s: nodes: %w", l.victim.Name, err)
	}
	if len(list.Items) == 0 {
		return nil, fmt.Errorf("%s: no node has a region", l.victim.Name)
	}
	label := func(ctx context.Context, value func(name string) any) error {
		for _, n := range list.Items {
			patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{corev1.LabelTopologyRegion: value(n.Name)}}})
			if err != nil {
				return err
			}
			if _, err := nodes.Patch(ctx, n.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				return fmt.Errorf("%s: node %s: %w", l.victim.Name, n.Name, err)
			}
		}
		return nil
	}
	had := map[string]string{}
	for _, n := range list.Items {
		had[n.Name] = n.Labels[corev1.LabelTopologyRegion]
	}
	undo := func(ctx context.Context) error { return label(ctx, func(name string) any { return had[name] }) }
	return undo, label(ctx, func(string) any { return nil })
}
