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
		steps: remembering[specs]{
			Was: func(ctx context.Context, s *Subject, _ *member) (specs, []string, error) {
				had := specs{}
				var objects []string
				for _, m := range []*member{s.witness(), s.victim()} {
					list, err := m.Dynamic.Resource(kind).Namespace(s.Workload.Namespace).List(ctx, metav1.ListOptions{})
					if err != nil {
						return nil, nil, m.failed(err, kind.Resource)
					}
					if len(list.Items) == 0 {
						return nil, nil, fmt.Errorf("%s: no %s in namespace %s", m.Name, kind.Resource, s.Workload.Namespace)
					}
					had[m.Name] = map[string]any{}
					for _, o := range list.Items {
						had[m.Name][o.GetName()] = o.Object["spec"]
						objects = append(objects, m.Name+": "+kind.Resource+" "+o.GetNamespace()+"/"+o.GetName())
					}
				}
				return had, objects, nil
			},
			Inject: editRules(kind, func(o *unstructured.Unstructured, _ any) error { return edit(o) }),
			Restore: editRules(kind, func(o *unstructured.Unstructured, had any) error {
				o.Object["spec"] = had
				return nil
			}),
		},
	}
}

// editRules edits every object that is remembered.
func editRules(kind schema.GroupVersionResource, edit func(o *unstructured.Unstructured, had any) error) step[specs] {
	return func(ctx context.Context, s *Subject, _ *member, all specs) error {
		for cluster, had := range all {
			m := s.member(cluster)
			if m == nil {
				return fmt.Errorf("cluster %s is not among the clusters", cluster)
			}
			objects := m.Dynamic.Resource(kind).Namespace(s.Workload.Namespace)
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
}
