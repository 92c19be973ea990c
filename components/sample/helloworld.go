package sample

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/component"
)

// HelloWorld is a cluster's part of the sample: its namespace, the service, the
// versions that run here, and a client to call from.
//
// The service is there even where no version runs: a client asks its own cluster's
// DNS for the name before its proxy picks an endpoint in another.
type HelloWorld struct {
	pulumi.ResourceState

	// Namespace is what the routes of the sample depend on.
	Namespace *corev1.Namespace
}

// HelloWorldArgs describes a cluster's part of the sample.
type HelloWorldArgs struct {
	Namespace string
	// Versions that run here, such as "v1".
	Versions  []string
	Artifacts *artifacts.Set
}

// NewHelloWorld registers a cluster's part of the sample. Proxies are injected when
// pods are made, so opts must make it depend on the control plane, and bring the
// cluster's provider.
func NewHelloWorld(ctx *pulumi.Context, name string, args *HelloWorldArgs, opts ...pulumi.ResourceOption) (*HelloWorld, error) {
	h := &HelloWorld{}
	if err := ctx.RegisterComponentResource("meshwright:sample:HelloWorld", name, h, opts...); err != nil {
		return nil, err
	}
	ns, err := corev1.NewNamespace(ctx, name+"-namespace", &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name:   pulumi.String(args.Namespace),
			Labels: pulumi.StringMap{"istio-injection": pulumi.String("enabled")},
		},
	}, pulumi.Parent(h))
	if err != nil {
		return nil, err
	}
	inside := pulumi.Composite(pulumi.Parent(h), pulumi.DependsOn([]pulumi.Resource{ns}))

	workloads := []workload{sleeper(args.Artifacts.Images["sleep"].Name)}
	for _, version := range args.Versions {
		image, ok := args.Artifacts.Images["helloworld-"+version]
		if !ok {
			return nil, fmt.Errorf("%s: the artifacts hold no helloworld %s; see `meshwright airgap status`", name, version)
		}
		workloads = append(workloads, helloworld(version, image.Name))
	}
	if _, err := service(ctx, name, args.Namespace, Service, Port, inside); err != nil {
		return nil, err
	}
	if _, err := service(ctx, name, args.Namespace, client, 80, inside); err != nil {
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
