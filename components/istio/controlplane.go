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

// Namespace is where Istio lives, in every cluster.
const Namespace = "istio-system"

// NetworkLabel names a cluster's network on Istio's namespace.
const NetworkLabel = "topology.istio.io/network"

// ControlPlane is a cluster's part of Istio's control plane: istiod itself in a
// primary; in a remote, what points its proxies at another cluster's istiod.
type ControlPlane struct {
	pulumi.ResourceState

	// Base is there as soon as the CRDs and the reader's account are; Istiod when
	// istiod answers, or at once in a remote. Depend on these rather than on the
	// component: the SDK learns of a component's children in the background, and
	// may not know all of them yet.
	Base, Istiod pulumi.Resource

	// Injected says what pods of the cluster are given when they are made. Gateways
	// and workloads that are told it are rolled when it changes.
	Injected string
}

// ControlPlaneArgs describes a control plane.
type ControlPlaneArgs struct {
	Mesh      Mesh
	Artifacts *artifacts.Set
	// Remote is set where another cluster's istiod serves this one.
	Remote *RemoteArgs
	// ServesRemotes lets a primary's istiod serve other clusters.
	ServesRemotes bool
	// CACerts is the data of the secret that istiod takes its CA from; see
	// meshca.IntermediateCA. A remote has none.
	CACerts pulumi.StringMapInput
}

// Mesh is a cluster's identity in the mesh.
type Mesh struct{ ID, Cluster, Network string }

// RemoteArgs says which istiod serves a remote cluster.
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
	// istiod finds the CRDs when they come, but must find its CA when it starts:
	// without it, it makes itself a root that no other cluster trusts.
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

// injected names what istiod puts into pods and what they keep for their lives.
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

// newNamespace labels the namespace with the network before any chart reads it.
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
