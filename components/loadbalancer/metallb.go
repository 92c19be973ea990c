package loadbalancer

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/component/helmrelease"
)

const (
	namespace = "metallb-system"
	poolName  = "lab"
	// apiVersion of MetalLB's own resources.
	apiVersion = "metallb.io/v1beta1"
)

// AddressAnnotation on a service asks MetalLB for a given address.
const AddressAnnotation = "metallb.io/loadBalancerIPs"

// MetalLB is a load balancer with its pool of addresses.
type MetalLB struct {
	pulumi.ResourceState
}

// MetalLBArgs describes a load balancer.
type MetalLBArgs struct {
	// Addresses is the pool, "first-last".
	Addresses string
	Artifacts *artifacts.Set
}

// NewMetalLB registers a load balancer. opts must bring the cluster's provider.
func NewMetalLB(ctx *pulumi.Context, name string, args *MetalLBArgs, opts ...pulumi.ResourceOption) (*MetalLB, error) {
	lb := &MetalLB{}
	if err := ctx.RegisterComponentResource("meshwright:loadbalancer:MetalLB", name, lb, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(lb)
	chart, err := args.Artifacts.Chart("metallb")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	values, err := chartValues(args.Artifacts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ns, err := corev1.NewNamespace(ctx, name+"-namespace", &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(namespace),
			// The speaker uses the node's network, which the stricter levels refuse.
			Labels: pulumi.StringMap{"pod-security.kubernetes.io/enforce": pulumi.String("privileged")},
		},
	}, parent)
	if err != nil {
		return nil, err
	}
	release, err := helmrelease.New(ctx, name+"-release", &helmrelease.Args{
		Name: "metallb", Namespace: namespace, Chart: chart, Values: values,
	}, parent, pulumi.DependsOn([]pulumi.Resource{ns}))
	if err != nil {
		return nil, err
	}
	// The pool passes through MetalLB's webhook, so MetalLB has to stand first.
	ready := pulumi.DependsOn([]pulumi.Resource{release})
	pool, err := custom(ctx, name+"-pool", "IPAddressPool", pulumi.Map{
		"addresses": pulumi.ToStringArray([]string{args.Addresses}),
	}, parent, ready)
	if err != nil {
		return nil, err
	}
	_, err = custom(ctx, name+"-advertisement", "L2Advertisement", pulumi.Map{
		"ipAddressPools": pulumi.ToStringArray([]string{poolName}),
	}, parent, pulumi.DependsOn([]pulumi.Resource{pool}))
	if err != nil {
		return nil, err
	}
	component.Outputs(ctx, lb, pulumi.Map{})
	return lb, nil
}

func custom(ctx *pulumi.Context, name, kind string, spec pulumi.Map, opts ...pulumi.ResourceOption) (*apiextensions.CustomResource, error) {
	return apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String(apiVersion), Kind: pulumi.String(kind),
		Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(poolName), Namespace: pulumi.String(namespace)},
		OtherFields: kubernetes.UntypedArgs{"spec": spec},
	}, opts...)
}

// chartValues configure the chart for layer 2 alone. Probes start at once, because
// a lab waits for them; the chart's defaults wait ten seconds.
func chartValues(set *artifacts.Set) (pulumi.Map, error) {
	controller, err := image(set, "metallb-controller")
	if err != nil {
		return nil, err
	}
	speaker, err := image(set, "metallb-speaker")
	if err != nil {
		return nil, err
	}
	promptly := pulumi.Map{"initialDelaySeconds": pulumi.Int(1), "periodSeconds": pulumi.Int(2)}
	return pulumi.Map{
		"controller": pulumi.Map{"image": controller, "readinessProbe": promptly},
		"speaker": pulumi.Map{
			"image": speaker, "readinessProbe": promptly,
			"startupProbe": pulumi.Map{"periodSeconds": pulumi.Int(1), "failureThreshold": pulumi.Int(120)},
			"frr":          pulumi.Map{"enabled": pulumi.Bool(false)},
			// kind labels control planes as excluded from load balancers, and a lab's
			// cluster often has no other node.
			"ignoreExcludeLB": pulumi.Bool(true),
		},
		"frrk8s": pulumi.Map{"enabled": pulumi.Bool(false)},
	}, nil
}

// image splits a role's reference into the chart's repository and tag.
func image(set *artifacts.Set, role string) (pulumi.Map, error) {
	i, err := set.Image(role)
	if err != nil {
		return nil, err
	}
	repository, tag, ok := cutTag(i.Name)
	if !ok {
		return nil, fmt.Errorf("image %q has no tag", i.Name)
	}
	return pulumi.Map{
		"repository": pulumi.String(repository), "tag": pulumi.String(tag),
		"pullPolicy": pulumi.String("IfNotPresent"),
	}, nil
}

// cutTag splits at the colon before the tag, which a digest may follow. A colon that
// belongs to a registry's port is none.
func cutTag(reference string) (repository, tag string, ok bool) {
	name, _, _ := strings.Cut(reference, "@")
	i := strings.LastIndex(name, ":")
	if i < 0 || strings.Contains(name[i:], "/") {
		return reference, "", false
	}
	return reference[:i], reference[i+1:], true
}
