package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// simulated is a provider without clusters. Checks, diffs and previews are the
// provider's own, as for a cluster that does not answer, and the state of a created
// object follows from its inputs: the same inputs give the same state, to the byte. It
// opens no connection and starts nothing.
//
// It does not know what only an API server knows: defaults, admission, and immutable
// fields that are not in the provider's own table.
type simulated struct{ *Provider }

// Simulated returns a function that makes providers without clusters. Of the
// options it uses ChartRoot, the one directory in which it looks for charts.
func Simulated(o Options) func() plugin.Provider {
	return func() plugin.Provider {
		p := newProvider(o)
		p.renderer = chartContents(o.ChartRoot)
		return simulated{p}
	}
}

// Configure takes the options but not the kubeconfig, so that nobody's cluster
// is ever called.
func (s simulated) Configure(ctx context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	in := req.Inputs.Copy()
	in["kubeconfig"] = resource.MakeComputed(resource.NewProperty(""))
	// Taking old inputs over the new ones would hide every change.
	in["skipUpdateUnreachable"] = resource.NewProperty(false)
	req.Inputs = in
	return s.Provider.Configure(ctx, req)
}

// Check derives automatic names from the URN instead of at random.
func (s simulated) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	seed := sha256.Sum256([]byte(req.URN))
	req.RandomSeed = seed[:]
	return s.Provider.Check(ctx, req)
}

func (s simulated) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	switch {
	case req.Preview:
		return s.Provider.Create(ctx, req)
	case req.Type == releaseType:
		rel, err := decodeRelease(req.Properties)
		if err != nil {
			return plugin.CreateResponse{}, err
		}
		deployed := &release.Release{Name: rel.Name, Namespace: rel.Namespace, Version: 1, Info: &release.Info{Status: release.StatusDeployed}}
		state := releaseState(req.Properties, deployed)
		return plugin.CreateResponse{ID: resource.ID(idOf(rel.Namespace, rel.Name)), Properties: state}, nil
	}
	inputs := &unstructured.Unstructured{Object: toTree(req.Properties)}
	live := normalize(inputs)
	fillIn(live, req.URN)
	state := checkpoint(live, inputs, req.Properties, inputs.GetAPIVersion(), fieldManager(inputs, "", req.URN))
	return plugin.CreateResponse{ID: resource.ID(idOf(live.GetNamespace(), live.GetName())), Properties: state}, nil
}

// Read finds any object, with nothing in it but its identity.
func (s simulated) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	if len(req.State) > 0 {
		return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
	}
	namespace, name := parseID(string(req.ID))
	if req.Type == releaseType {
		in := resource.PropertyMap{"name": resource.NewProperty(name), "namespace": resource.NewProperty(namespace)}
		return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: in, Outputs: releaseState(in, nil)}}, nil
	}
	gvk, err := gvkOf(req.Type)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	obj := identity(gvk, namespace, name)
	inputs := toProperties(obj.Object)
	state := checkpoint(obj, obj, inputs, obj.GetAPIVersion(), fieldManager(obj, "", req.URN))
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state}}, nil
}

// fillIn adds what a cluster sets and programs read.
func fillIn(obj *unstructured.Unstructured, urn resource.URN) {
	obj.SetUID(uidOf(urn))
	if kind, _ := obj.Object["type"].(string); isSecret(obj) && kind == "kubernetes.io/service-account-token" {
		data := ensureMap(obj.Object, "data")
		for _, key := range []string{"token", "ca.crt", "namespace"} {
			if data != nil && data[key] == nil {
				data[key] = base64.StdEncoding.EncodeToString([]byte("simulated " + key + " of " + string(urn)))
			}
		}
	}
	spec := mapAt(obj.Object, "spec")
	if address, ok := spec["loadBalancerIP"].(string); ok && obj.GetKind() == "Service" && spec["type"] == "LoadBalancer" {
		obj.Object["status"] = map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": address}}}}
	}
}

// errNoRendering says that a chart is not at hand. Its changes show by name,
// version and values then.
var errNoRendering = errors.New("the chart is not rendered")

// chartContents identifies a chart under root by its files. Other charts are
// identified by their version: fetching them would need a network.
func chartContents(root string) func(context.Context, *releaseInputs) (rendering, error) {
	return func(_ context.Context, rel *releaseInputs) (rendering, error) {
		if root == "" || rel.RepositoryOpts.Repo != "" || !filepath.IsLocal(rel.Chart) {
			return rendering{}, errNoRendering
		}
		h, files := sha256.New(), os.DirFS(root)
		err := fs.WalkDir(files, path.Clean(filepath.ToSlash(rel.Chart)), func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := fs.ReadFile(files, name)
			fmt.Fprintf(h, "%s\x00%s", name, data)
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			return rendering{}, errNoRendering
		}
		return rendering{Checksum: hex.EncodeToString(h.Sum(nil))}, err
	}
}

func uidOf(urn resource.URN) types.UID {
	sum := sha256.Sum256([]byte(urn))
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]))
}
