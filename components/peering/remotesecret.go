package peering

import (
	"encoding/base64"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	clientcmd "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/component"
)

// RemoteSecret lets the control plane of one cluster watch another cluster.
type RemoteSecret struct {
	pulumi.ResourceState

	// Secret is the resource to depend on: istiod watches the cluster once it exists.
	Secret *corev1.Secret
}

// RemoteSecretArgs describes a remote secret.
type RemoteSecretArgs struct {
	// Cluster is the name of the watched cluster.
	Cluster string
	// Server is the URL of its API server for the watching istiod's pod.
	Server string
	// Credentials are Reader.Credentials of the watched cluster.
	Credentials pulumi.StringMapInput
}

// NewRemoteSecret registers a remote secret in the watching cluster. opts must bring that
// cluster's provider, and make it depend on its Istio namespace.
func NewRemoteSecret(ctx *pulumi.Context, name string, args *RemoteSecretArgs, opts ...pulumi.ResourceOption) (*RemoteSecret, error) {
	r := &RemoteSecret{}
	if err := ctx.RegisterComponentResource("meshwright:peering:RemoteSecret", name, r, opts...); err != nil {
		return nil, err
	}
	cluster, server := args.Cluster, args.Server
	kubeconfig := args.Credentials.ToStringMapOutput().ApplyT(func(data map[string]string) (string, error) {
		return encodedKubeconfig(cluster, server, data)
	}).(pulumi.StringOutput)

	var err error
	r.Secret, err = corev1.NewSecret(ctx, name+"-secret", &corev1.SecretArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String("istio-remote-secret-" + cluster), Namespace: pulumi.String(namespace),
			Labels:      pulumi.StringMap{"istio/multiCluster": pulumi.String("true")},
			Annotations: pulumi.StringMap{"networking.istio.io/cluster": pulumi.String(cluster)},
		},
		Data: pulumi.StringMap{cluster: pulumi.ToSecret(kubeconfig).(pulumi.StringOutput)},
	}, pulumi.Parent(r))
	if err != nil {
		return nil, err
	}
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}

// encodedKubeconfig is a kubeconfig with a bearer token for istiod, in base64. data is
// that of a token secret: base64 in "token" and "ca.crt".
func encodedKubeconfig(cluster, server string, data map[string]string) (string, error) {
	token, err := field(data, "token")
	if err != nil {
		return "", fmt.Errorf("reader's token of %s: %w; run the update again", cluster, err)
	}
	ca, err := field(data, "ca.crt")
	if err != nil {
		return "", fmt.Errorf("reader's token of %s: %w; run the update again", cluster, err)
	}
	text, err := yaml.Marshal(clientcmd.Config{
		APIVersion: "v1", Kind: "Config", CurrentContext: cluster,
		Clusters: []clientcmd.NamedCluster{{
			Name: cluster, Cluster: clientcmd.Cluster{Server: server, CertificateAuthorityData: ca},
		}},
		AuthInfos: []clientcmd.NamedAuthInfo{{Name: cluster, AuthInfo: clientcmd.AuthInfo{Token: string(token)}}},
		Contexts: []clientcmd.NamedContext{{
			Name: cluster, Context: clientcmd.Context{Cluster: cluster, AuthInfo: cluster},
		}},
	})
	if err != nil {
		return "", fmt.Errorf("kubeconfig of %s: %w", cluster, err)
	}
	return base64.StdEncoding.EncodeToString(text), nil
}

func field(data map[string]string, key string) ([]byte, error) {
	text, ok := data[key]
	if !ok || text == "" {
		return nil, fmt.Errorf("it has no %s yet", key)
	}
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("its %s is not base64", key)
	}
	return value, nil
}
