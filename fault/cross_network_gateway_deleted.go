package fault

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// crossNetworkGatewayDeleted closes port 15443 of the victim.
var crossNetworkGatewayDeleted = Fault{
	Name:    "cross-network-gateway-deleted",
	Title:   "a cluster's cross-network Gateway object is deleted",
	Needs:   []Need{TwoPrimaries, TwoNetworks},
	at:      (*Subject).victim,
	plan:    rememberGateway(func(_ int64, mode string) bool { return mode == "AUTO_PASSTHROUGH" }),
	inject:  deleteGateway,
	restore: createGateway,
}

var gateways = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

// rememberGateway plans the deletion of the Gateway object with such a server.
func rememberGateway(is func(port int64, mode string) bool) func(context.Context, *Subject, *Record) error {
	return func(ctx context.Context, s *Subject, r *Record) error {
		g, err := s.member(r.Cluster).gateway(ctx, is)
		if err != nil {
			return err
		}
		g.SetResourceVersion("")
		g.SetUID("")
		g.SetManagedFields(nil)
		return r.remember(g.Object, "gateway "+g.GetNamespace()+"/"+g.GetName())
	}
}

// deleteGateway deletes the Gateway object and renews the east-west gateway, whose
// ports it opened: connections made before would live on while the old listener
// drains.
func deleteGateway(ctx context.Context, s *Subject, r *Record) error {
	g, err := formerObject(r)
	if err != nil {
		return err
	}
	m := s.member(r.Cluster)
	if err := m.Dynamic.Resource(gateways).Namespace(g.GetNamespace()).Delete(ctx, g.GetName(), metav1.DeleteOptions{}); err != nil {
		return m.failed(err, "gateway "+g.GetName())
	}
	return m.renew(ctx, system, eastWest)
}

func createGateway(ctx context.Context, s *Subject, r *Record) error {
	g, err := formerObject(r)
	if err != nil {
		return err
	}
	m := s.member(r.Cluster)
	_, err = m.Dynamic.Resource(gateways).Namespace(g.GetNamespace()).Create(ctx, g, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return m.failed(err, "gateway "+g.GetName())
}

func formerObject(r *Record) (*unstructured.Unstructured, error) {
	g := &unstructured.Unstructured{}
	return g, g.UnmarshalJSON(r.Former)
}

// gateway finds the Gateway object that has a server of that port and TLS mode.
func (m *member) gateway(ctx context.Context, is func(port int64, mode string) bool) (*unstructured.Unstructured, error) {
	list, err := m.Dynamic.Resource(gateways).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, m.failed(err, "gateways")
	}
	for i := range list.Items {
		servers, _, err := unstructured.NestedSlice(list.Items[i].Object, "spec", "servers")
		if err != nil {
			return nil, err
		}
		for _, server := range servers {
			fields, ok := server.(map[string]any)
			if !ok {
				continue
			}
			port, _, perr := unstructured.NestedInt64(fields, "port", "number")
			mode, _, merr := unstructured.NestedString(fields, "tls", "mode")
			if perr == nil && merr == nil && is(port, mode) {
				return &list.Items[i], nil
			}
		}
	}
	return nil, fmt.Errorf("%s: none of %d Gateways has the ports to close", m.Name, len(list.Items))
}
