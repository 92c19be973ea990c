package peering

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

const (
	namespace = "istio-system"
	// account is the base chart's service account. The istiod chart binds it to a role
	// that reads what a control plane needs of a cluster.
	account = "istio-reader-service-account"
)

// Reader lets control planes of other clusters read a cluster.
type Reader struct {
	pulumi.ResourceState

	// Credentials is a Pulumi secret: the bearer token and CA of a kubeconfig, in the
	// form of the data of a service account's token secret (base64).
	Credentials pulumi.StringMapOutput
}

// ReaderArgs describes a reader.
type ReaderArgs struct{}

// NewReader registers a reader of the cluster whose provider opts bring. opts must make
// it depend on the base chart: Kubernetes deletes a token whose account does not exist.
func NewReader(ctx *pulumi.Context, name string, _ *ReaderArgs, opts ...pulumi.ResourceOption) (*Reader, error) {
	r := &Reader{}
	if err := ctx.RegisterComponentResource("meshwright:peering:Reader", name, r, opts...); err != nil {
		return nil, err
	}
	token, err := corev1.NewSecret(ctx, name+"-token", &corev1.SecretArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(account + "-istio-remote-secret-token"), Namespace: pulumi.String(namespace),
			Annotations: pulumi.StringMap{"kubernetes.io/service-account.name": pulumi.String(account)},
		},
		Type: pulumi.String("kubernetes.io/service-account-token"),
	}, pulumi.Parent(r), pulumi.AdditionalSecretOutputs([]string{"data"}))
	if err != nil {
		return nil, err
	}
	r.Credentials = pulumi.ToSecret(token.Data).(pulumi.StringMapOutput)
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}
