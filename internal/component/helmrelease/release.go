// Package helmrelease registers Helm releases under the official Kubernetes
// provider's token, kubernetes:helm.sh/v3:Release.
//
// It stands in for the SDK's helm/v3 package, which also carries Chart and with it
// a generated copy of every Kubernetes type: minutes and gigabytes to compile for
// one resource. Inputs and outputs have the SDK's names, so the resource is the
// same to the engine and to the official provider. See docs/adr/0003-helm-releases-by-token.md.
package helmrelease

import (
	"cmp"
	"errors"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/utilities"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
)

const token = "kubernetes:helm.sh/v3:Release"

// Release is a Helm release. Its creation waits until what the chart holds is
// ready: pods, and addresses of load balancers.
type Release struct {
	pulumi.CustomResourceState

	// Status holds name, namespace, revision, status, chart, version, appVersion.
	Status pulumi.MapOutput `pulumi:"status"`
}

// Args describes a release. All but Values shapes the graph and is plain.
type Args struct {
	// Name of the release. Required: a generated one would not be known at preview.
	Name string
	// Namespace must exist.
	Namespace string
	Chart     artifacts.Chart
	Values    pulumi.Map
	// Timeout in seconds for the release to become ready; 0 takes the default.
	Timeout int
}

// DefaultTimeout in seconds: a cold machine pulls images from a registry.
const DefaultTimeout = 600

// New registers a release.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Release, error) {
	if args == nil || args.Name == "" || args.Namespace == "" || args.Chart.Name == "" {
		return nil, errors.New("helm release " + name + ": name, namespace and chart are required")
	}
	var r Release
	opts = utilities.PkgResourceDefaultOpts(opts)
	if err := ctx.RegisterResource(token, name, args.inputs(), &r, opts...); err != nil {
		return nil, err
	}
	return &r, nil
}

// inputs are named as in the official schema.
func (a *Args) inputs() pulumi.Map {
	in := pulumi.Map{
		"compat": pulumi.String("true"), "name": pulumi.String(a.Name), "namespace": pulumi.String(a.Namespace),
		"chart": pulumi.String(a.Chart.Name), "timeout": pulumi.Int(cmp.Or(a.Timeout, DefaultTimeout)),
		// The charts are pinned, and the API server judges what it is given. Helm
		// would first make every cluster publish its whole schema, again for each
		// release, while it is busy defining kinds.
		"disableOpenapiValidation": pulumi.Bool(true),
	}
	if a.Values != nil {
		in["values"] = a.Values
	}
	switch {
	case a.Chart.Path != "":
		// Relative to the kit: no path of this machine enters the state.
		in["chart"] = pulumi.String(a.Chart.Path)
	case a.Chart.Repo != "":
		in["version"] = pulumi.String(a.Chart.Version)
		in["repositoryOpts"] = pulumi.StringMap{"repo": pulumi.String(a.Chart.Repo)}
	}
	return in
}
