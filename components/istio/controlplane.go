package istio

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/component/helmrelease"
)

// Namespace of Istio in every cluster.
const Namespace = "istio-system"

// NetworkLabel is the label of Istio's namespace that has the cluster's network.
const NetworkLabel = "topology.istio.io/network"

// ControlPlane is a cluster's part of Istio's control plane: istiod in a primary; in a
// remote, the configuration that connects its proxies to another cluster's istiod.
type ControlPlane struct {
	pulumi.ResourceState

	// Base has the CRDs and the reader's service account. Istiod is complete when
	// istiod is ready, in a remote at once. Depend on these and not on the component:
	// the SDK collects a component's children in the background, and may not know all
	// of them yet.
	Base, Istiod pulumi.Resource

	// Injected describes what istiod injects into the cluster's pods. Gateways and
	// workloads that get it roll out again when it changes.
	Injected string
}

// ControlPlaneArgs describes a control plane.
type ControlPlaneArgs struct {
	Mesh      Mesh
	Artifacts *artifacts.Set
	// Remote is set if another cluster's istiod serves this one.
	Remote *RemoteArgs
	// ServesRemotes lets a primary's istiod serve other clusters.
	ServesRemotes bool
	// CACerts is the data of the secret from which istiod reads its CA; see
	// meshca.IntermediateCA. A remote has none.
	CACerts pulumi.StringMapInput
}

// Mesh is a cluster's identity in the mesh.
type Mesh struct{ ID, Cluster, Network string }

// RemoteArgs describes the istiod that serves a remote cluster.
type RemoteArgs struct {
	// ControlPlane is the primary's name, PilotAddress the address at which its
	// istiod is exposed.
	ControlPlane, PilotAddress string
}

// NewControlPlane registers a control plane. opts must bring the cluster's provider.
func NewControlPlane(ctx *pulumi.Context, name string, args *ControlPlaneArgs, opts ...pulumi.ResourceOption) (*ControlPlane, error) {
	c := &ControlPlane{}
	if err := ctx.RegisterComponentResource("meshwright:istio:ControlPlane", name, c, opts...); err != nil {
		return nil, err
	}
	base, err := args.Artifacts.Chart("base")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	istiod, err := args.Artifacts.Chart("istiod")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.Injected, err = args.injected(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	parent := pulumi.Parent(c)
	ns, err := newNamespace(ctx, name+"-namespace", args, parent)
	if err != nil {
		return nil, err
	}
	inNamespace := []pulumi.Resource{ns}
	c.Base, err = helmrelease.New(ctx, name+"-base", &helmrelease.Args{
		Name: "istio-base", Namespace: Namespace, Chart: base, Values: baseValues(args),
	}, parent, pulumi.DependsOn(inNamespace))
	if err != nil {
		return nil, err
	}
	// istiod waits for its CRDs, but needs its CA when it starts: without one it
	// generates a root that no other cluster trusts.
	before := inNamespace
	if args.CACerts != nil {
		cacerts, err := corev1.NewSecret(ctx, name+"-cacerts", &corev1.SecretArgs{
			Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("cacerts"), Namespace: pulumi.String(Namespace)},
			Data:     args.CACerts,
		}, parent, pulumi.DependsOn(inNamespace))
		if err != nil {
			return nil, err
		}
		before = append(before, cacerts)
	}
	c.Istiod, err = helmrelease.New(ctx, name+"-istiod", &helmrelease.Args{
		Name: "istiod", Namespace: Namespace, Chart: istiod, Values: istiodValues(args, c.Injected),
	}, parent, pulumi.DependsOn(before))
	if err != nil {
		return nil, err
	}
	component.Outputs(ctx, c, pulumi.Map{})
	return c, nil
}

// injected describes what istiod injects into pods. A pod keeps it until it is deleted.
func (a *ControlPlaneArgs) injected() (string, error) {
	proxy, err := a.Artifacts.Image("proxyv2")
	if err != nil {
		return "", err
	}
	primary := a.Mesh.Cluster
	if a.Remote != nil {
		primary = a.Remote.ControlPlane
	}
	return fmt.Sprintf("mesh %s, network %s, control plane %s, proxy %s", a.Mesh.ID, a.Mesh.Network, primary, proxy.Name), nil
}

// newNamespace registers the namespace with the label that the charts read.
func newNamespace(ctx *pulumi.Context, name string, args *ControlPlaneArgs, opts ...pulumi.ResourceOption) (*corev1.Namespace, error) {
	meta := metav1.ObjectMetaArgs{
		Name:   pulumi.String(Namespace),
		Labels: pulumi.StringMap{NetworkLabel: pulumi.String(args.Mesh.Network)},
	}
	if args.Remote != nil {
		meta.Annotations = pulumi.StringMap{
			"topology.istio.io/controlPlaneClusters": pulumi.String(args.Remote.ControlPlane),
		}
	}
	return corev1.NewNamespace(ctx, name, &corev1.NamespaceArgs{Metadata: meta}, opts...)
}
