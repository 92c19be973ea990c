package fault

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	destinationRules    = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
	peerAuthentications = schema.GroupVersionResource{Group: "security.istio.io", Version: "v1", Resource: "peerauthentications"}
)

// specs are those of the workload's objects of one kind, by cluster and name.
type specs map[string]map[string]any

// ruleFault is a fault of the workload's objects of one kind, in the clusters with
// control planes: the witness's and the victim's.
func ruleFault(name, title string, kind schema.GroupVersionResource, edit func(*unstructured.Unstructured) error) Fault {
	return Fault{
		Name: name, Title: title, Needs: []Need{TwoPrimaries}, OnWorkload: true, at: (*Subject).witness,
		plan: func(ctx context.Context, s *Subject, r *Record) error {
			had := specs{}
			var objects []string
			for _, m := range []*member{s.witness(), s.victim()} {
				list, err := m.Dynamic.Resource(kind).Namespace(r.Namespace).List(ctx, metav1.ListOptions{})
				if err != nil {
					return m.failed(err, kind.Resource)
				}
				if len(list.Items) == 0 {
					return fmt.Errorf("%s: no %s in namespace %s", m.Name, kind.Resource, r.Namespace)
				}
				had[m.Name] = map[string]any{}
				for _, o := range list.Items {
					had[m.Name][o.GetName()] = o.Object["spec"]
					objects = append(objects, kind.Resource+" "+r.Namespace+"/"+o.GetName())
				}
			}
			return r.remember(had, objects...)
		},
		inject: func(ctx context.Context, s *Subject, r *Record) error {
			return s.editRules(ctx, r, kind, func(o *unstructured.Unstructured, _ any) error { return edit(o) })
		},
		restore: func(ctx context.Context, s *Subject, r *Record) error {
			return s.editRules(ctx, r, kind, func(o *unstructured.Unstructured, had any) error {
				o.Object["spec"] = had
				return nil
			})
		},
	}
}

// editRules edits every object that the record holds.
func (s *Subject) editRules(ctx context.Context, r *Record, kind schema.GroupVersionResource, edit func(o *unstructured.Unstructured, had any) error) error {
	all, err := former[specs](r)
	if err != nil {
		return err
	}
	for cluster, had := range all {
		m := s.member(cluster)
		if m == nil {
			return fmt.Errorf("fault %s: cluster %s is not among the clusters", r.Fault, cluster)
		}
		objects := m.Dynamic.Resource(kind).Namespace(r.Namespace)
		for name, spec := range had {
			o, err := objects.Get(ctx, name, metav1.GetOptions{})
			if err == nil {
				if err = edit(o, spec); err == nil {
					_, err = objects.Update(ctx, o, metav1.UpdateOptions{})
				}
			}
			if err != nil {
				return m.failed(err, kind.Resource+" "+name)
			}
		}
	}
	return nil
}
