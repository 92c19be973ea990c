package sample

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/internal/component"
)

// HelloWorld is a cluster's part of the sample: the namespace, the service, the versions
// that run in the cluster, and a client.
//
// The service exists even if no version runs in the cluster: a client resolves the name
// in its own cluster's DNS before its proxy selects an endpoint in another cluster.
type HelloWorld struct {
	pulumi.ResourceState

	// Namespace is the resource that routes of the sample depend on.
	Namespace *corev1.Namespace
}

// HelloWorldArgs describes a cluster's part of the sample.
type HelloWorldArgs struct {
	Namespace string
	// NamespaceLabels are set on the namespace besides the label for injection.
	NamespaceLabels map[string]string
	// Versions that run in the cluster, such as "v1".
	Versions []string
	// Injected is istio.ControlPlane.Injected. Pods roll out again when it changes.
	Injected  string
	Artifacts *artifacts.Set
	// Load adds a load generator with a sidecar.
	Load bool
	// Outsiders adds clients without a sidecar, one of them on the host network.
	Outsiders bool
	// GoesWithNamespace deletes everything by the deletion of the namespace. It must be
	// false if the namespace is itself deleted with another resource, such as its
	// cluster.
	GoesWithNamespace bool
}

// NewHelloWorld registers a cluster's part of the sample. Sidecars are injected when pods
// are created, so opts must make it depend on the control plane, and bring the cluster's
// provider.
func NewHelloWorld(ctx *pulumi.Context, name string, args *HelloWorldArgs, opts ...pulumi.ResourceOption) (*HelloWorld, error) {
	h := &HelloWorld{}
	if err := ctx.RegisterComponentResource("meshwright:sample:HelloWorld", name, h, opts...); err != nil {
		return nil, err
	}
	labels := pulumi.ToStringMap(args.NamespaceLabels)
	labels["istio-injection"] = pulumi.String("enabled")
	ns, err := corev1.NewNamespace(ctx, name+"-namespace", &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(args.Namespace), Labels: labels,
		},
	}, pulumi.Parent(h))
	if err != nil {
		return nil, err
	}
	inside := pulumi.Composite(pulumi.Parent(h), pulumi.DependsOn([]pulumi.Resource{ns}))
	if args.GoesWithNamespace {
		inside = pulumi.Composite(inside, pulumi.DeletedWith(ns))
	}
	workloads, err := args.workloads()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := service(ctx, name, args.Namespace, Service, Port, len(args.Versions) > 0, inside); err != nil {
		return nil, err
	}
	if _, err := service(ctx, name, args.Namespace, client, 80, true, inside); err != nil {
		return nil, err
	}
	for _, w := range workloads {
		if _, err := w.deployment(ctx, name, args.Namespace, inside); err != nil {
			return nil, err
		}
	}
	h.Namespace = ns
	component.Outputs(ctx, h, pulumi.Map{})
	return h, nil
}

// workloads are the deployments of a cluster.
func (a *HelloWorldArgs) workloads() ([]workload, error) {
	all := []workload{sleeper(client, "sleep")}
	for _, version := range a.Versions {
		all = append(all, helloworld(version))
	}
	if a.Load {
		all = append(all, sleeper(generator, "load"))
	}
	if a.Outsiders {
		all = append(all, outsider(outsiderName, false), outsider(outsiderName+"-node", true))
	}
	for i := range all {
		image, err := a.Artifacts.Image(all[i].image)
		if err != nil {
			return nil, err
		}
		all[i].image, all[i].injected = image.Name, a.Injected
	}
	return all, nil
}
