package kind

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/internal/provider"
)

// NewSimulated returns a provider for one connection that has no Docker. What it
// creates is as planned: the same inputs give the same outputs, to the byte.
func NewSimulated() plugin.Provider {
	return provider.Simulated(&twin{
		Base: provider.Base{Package: "meshwright", Version: semver.MustParse(Version)},
		find: func(context.Context) (daemon, error) {
			return nil, errors.New("the provider is simulated: there is no Docker")
		},
	}, func(req plugin.CreateRequest, res *plugin.CreateResponse) error {
		sum := sha256.Sum256([]byte(req.URN))
		id := hex.EncodeToString(sum[:16])
		res.ID = resource.ID(id)
		if req.Type != clusterType {
			return nil
		}
		var in cluster
		if _, err := provider.Decode(req.Properties, &in); err != nil {
			return err
		}
		// It has the form of a kubeconfig and leads nowhere.
		kubeconfig, err := oneContext(in.withDefaults().Context,
			&api.Cluster{Server: "https://" + in.controlPlane() + ".simulated.invalid:6443"}, &api.AuthInfo{Token: "simulated-" + id})
		res.ID = resource.ID(in.Name)
		res.Properties["clusterID"] = resource.NewStringProperty(id)
		res.Properties["kubeconfig"] = resource.MakeSecret(resource.NewStringProperty(kubeconfig))
		return err
	})
}
