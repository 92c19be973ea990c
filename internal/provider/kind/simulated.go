package kind

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/internal/provider"
)

// simulated is the provider without Docker: checks, diffs and previews are its
// own, and what is created has what was planned. The same inputs give the same
// resources, to the byte.
type simulated struct{ *twin }

// errSimulated is the answer to everything that would take a daemon.
var errSimulated = errors.New("the provider is simulated: there is no Docker")

// NewSimulated returns a provider for one connection.
func NewSimulated() plugin.Provider {
	return simulated{&twin{
		Base: provider.Base{Package: "meshwright", Version: semver.MustParse(Version)},
		find: func(context.Context) (daemon, error) { return nil, errSimulated },
	}}
}

func (s simulated) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	preview := req.Preview
	req.Preview = true
	res, err := s.twin.Create(ctx, req)
	if err != nil || preview {
		return res, err
	}
	sum := sha256.Sum256([]byte(req.URN))
	id := hex.EncodeToString(sum[:16])
	if req.Type == networkType {
		return plugin.CreateResponse{ID: resource.ID(id), Properties: res.Properties}, nil
	}
	var in cluster
	if _, err := provider.Decode(req.Properties, &in); err != nil {
		return plugin.CreateResponse{}, err
	}
	kubeconfig, err := simulatedKubeconfig(in.withDefaults(), id)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	res.Properties["clusterID"] = resource.NewStringProperty(id)
	res.Properties["kubeconfig"] = resource.MakeSecret(resource.NewStringProperty(kubeconfig))
	return plugin.CreateResponse{ID: resource.ID(in.Name), Properties: res.Properties}, nil
}

// Read finds what the state holds.
func (s simulated) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
}

// simulatedKubeconfig has the form of a kubeconfig and leads nowhere.
func simulatedKubeconfig(in cluster, id string) (string, error) {
	out := api.NewConfig()
	out.Clusters[in.Context] = &api.Cluster{Server: "https://" + in.controlPlane() + ".simulated.invalid:6443"}
	out.AuthInfos[in.Context] = &api.AuthInfo{Token: "simulated-" + id}
	out.Contexts[in.Context] = &api.Context{Cluster: in.Context, AuthInfo: in.Context}
	out.CurrentContext = in.Context
	text, err := clientcmd.Write(*out)
	return string(text), err
}
