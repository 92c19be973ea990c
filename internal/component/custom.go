package component

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Custom describes an object of a custom kind.
type Custom struct {
	APIVersion, Kind, Namespace, Name string
	Spec                              pulumi.Map
}

// Register registers the object. opts must bring the cluster's provider.
func (c Custom) Register(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) (*apiextensions.CustomResource, error) {
	return apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String(c.APIVersion), Kind: pulumi.String(c.Kind),
		Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(c.Name), Namespace: pulumi.String(c.Namespace)},
		OtherFields: kubernetes.UntypedArgs{"spec": c.Spec},
	}, opts...)
}
