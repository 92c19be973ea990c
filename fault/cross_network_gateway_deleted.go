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
	Name:  "cross-network-gateway-deleted",
	Title: "a cluster's cross-network Gateway object is deleted",
	Needs: []Need{TwoPrimaries, TwoNetworks},
	at:    (*Subject).victim,
	steps: deletedGateway(func(_ int64, mode string) bool { return mode == "AUTO_PASSTHROUGH" }),
}

var gateways = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

// deletedGateway are the steps of a fault that deletes the Gateway object with such a
// server.
func deletedGateway(is func(port int64, mode string) bool) steps {
	return remembering[map[string]any]{
		Was: func(ctx context.Context, _ *Subject, at *member) (map[string]any, []string, error) {
			g, err := at.gateway(ctx, is)
			if err != nil {
				return nil, nil, err
			}
			g.SetResourceVersion("")
			g.SetUID("")
			g.SetManagedFields(nil)
			return g.Object, []string{"gateway " + g.GetNamespace() + "/" + g.GetName()}, nil
		},
		Inject: func(ctx context.Context, _ *Subject, at *member, was map[string]any) error {
			g := &unstructured.Unstructured{Object: was}
			if err := at.Dynamic.Resource(gateways).Namespace(g.GetNamespace()).Delete(ctx, g.GetName(), metav1.DeleteOptions{}); err != nil {
				return at.failed(err, "gateway "+g.GetName())
			}
			// Connections through the ports that it opened would live on while the old
			// listener drains.
			return at.renew(ctx, system, eastWest)
		},
		Restore: func(ctx context.Context, _ *Subject, at *member, was map[string]any) error {
			g := &unstructured.Unstructured{Object: was}
			_, err := at.Dynamic.Resource(gateways).Namespace(g.GetNamespace()).Create(ctx, g, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return at.failed(err, "gateway "+g.GetName())
		},
	}
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
