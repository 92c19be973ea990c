// Package helmrelease registers Helm releases under the official Kubernetes
// provider's token, kubernetes:helm.sh/v3:Release.
//
// It stands in for the SDK's helm/v3 package, which also carries Chart and with it
// a generated copy of every Kubernetes type: minutes and gigabytes to compile for
// one resource. Inputs and outputs have the SDK's names, so the resource is the
// same to the engine and to the official provider. See docs/adr/0003-helm-releases-by-token.md.
package helmrelease

import (
	"errors"
	"reflect"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/utilities"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
)

const token = "kubernetes:helm.sh/v3:Release"

// Release is a Helm release. Its creation waits until what the chart holds is
// ready: pods, and addresses of load balancers.
type Release struct {
	pulumi.CustomResourceState

	Name      pulumi.StringPtrOutput `pulumi:"name"`
	Namespace pulumi.StringPtrOutput `pulumi:"namespace"`
	Chart     pulumi.StringOutput    `pulumi:"chart"`
	Version   pulumi.StringPtrOutput `pulumi:"version"`
	Values    pulumi.MapOutput       `pulumi:"values"`
	// Status holds name, namespace, revision, status, chart, version, appVersion.
	Status pulumi.MapOutput `pulumi:"status"`
	// ResourceNames lists what the chart created, by "kind/version".
	ResourceNames pulumi.StringArrayMapOutput `pulumi:"resourceNames"`
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

func (a *Args) inputs() *releaseInputs {
	in := &releaseInputs{
		Compat: pulumi.String("true"), Name: pulumi.String(a.Name), Namespace: pulumi.String(a.Namespace),
		Chart: pulumi.String(a.Chart.Name), Values: a.Values, Timeout: pulumi.Int(DefaultTimeout),
		// The charts are pinned, and the API server judges what it is given. Helm
		// would first make every cluster publish its whole schema, again for each
		// release, while it is busy defining kinds.
		DisableOpenapiValidation: pulumi.Bool(true),
	}
	if a.Timeout > 0 {
		in.Timeout = pulumi.Int(a.Timeout)
	}
	switch {
	case a.Chart.Path != "":
		// Relative to the kit: no path of this machine enters the state.
		in.Chart = pulumi.String(a.Chart.Path)
	case a.Chart.Repo != "":
		in.Version = pulumi.String(a.Chart.Version)
		in.RepositoryOpts = pulumi.StringMap{"repo": pulumi.String(a.Chart.Repo)}
	}
	return in
}

// releaseInputs are the inputs in use, named as in the official schema.
type releaseInputs struct {
	Compat         pulumi.StringInput
	Name           pulumi.StringInput
	Namespace      pulumi.StringInput
	Chart          pulumi.StringInput
	Version        pulumi.StringInput
	RepositoryOpts pulumi.StringMapInput
	Values         pulumi.MapInput
	Timeout        pulumi.IntInput

	DisableOpenapiValidation pulumi.BoolInput
}

type releaseArgs struct {
	Compat         string            `pulumi:"compat"`
	Name           string            `pulumi:"name"`
	Namespace      string            `pulumi:"namespace"`
	Chart          string            `pulumi:"chart"`
	Version        *string           `pulumi:"version"`
	RepositoryOpts map[string]string `pulumi:"repositoryOpts"`
	Values         map[string]any    `pulumi:"values"`
	Timeout        int               `pulumi:"timeout"`

	DisableOpenapiValidation bool `pulumi:"disableOpenapiValidation"`
}

// ElementType tells the SDK which fields are which properties.
func (releaseInputs) ElementType() reflect.Type { return reflect.TypeFor[releaseArgs]() }
