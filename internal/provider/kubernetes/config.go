package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/internal/provider"
)

// config is the provider's configuration that changes what it does.
type config struct {
	namespace             string // default namespace; never empty once configured
	cluster               string // clusterIdentifier
	deleteUnreachable     bool
	skipUpdateUnreachable bool
	patchForce            bool
	upsert                bool // take over objects that exist already
	configMapMutable      bool
	secretMutable         bool
	helmDriver            string
	helmRegistryConfig    string
	helmRepositoryConfig  string
	helmRepositoryCache   string
}

// refused are options, or options within others, that change what the official
// provider does in ways that this one cannot; ignoring them would do something else
// than was asked.
var refused = map[string]func(resource.PropertyValue) bool{
	"alwaysRender":          isTrue,
	"enableServerSideApply": func(v resource.PropertyValue) bool { return isSet(v) && !isTrue(v) },
	"renderYamlToDirectory": isText,
	"strictMode":            isTrue,
	// No plugin of Helm's is run.
	"helmReleaseSettings.pluginsPath": isText,
	// It would cut the watches by which readiness is awaited.
	"kubeClientSettings.timeout": isSet,
}

// CheckConfig refuses options that the embedded provider does not have.
func (p *Provider) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	in := provider.PlainMap(req.News.Copy())
	if on, err := strconv.ParseBool(os.Getenv("PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY")); err == nil && !in.HasValue("enableServerSideApply") {
		in["enableServerSideApply"] = resource.NewProperty(on)
	}
	var failures []plugin.CheckFailure
	for _, path := range slices.Sorted(maps.Keys(refused)) {
		outer, inner, within := strings.Cut(path, ".")
		v := in[keyOf(outer)]
		if within {
			v = nested(in, keyOf(outer))[keyOf(inner)]
		}
		if refused[path](v) {
			failures = append(failures, plugin.CheckFailure{
				Property: keyOf(path),
				Reason:   "not part of the embedded Kubernetes provider; leave it out or install the official plugin",
			})
		}
	}
	return plugin.CheckConfigResponse{Properties: req.News, Failures: failures}, nil
}

// DiffConfig replaces the provider, and with it everything on it, when it now
// means another cluster: by clusterIdentifier where that is set, otherwise by
// the active cluster of the kubeconfig.
func (p *Provider) DiffConfig(_ context.Context, req plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	olds, news := provider.PlainMap(req.OldInputs), provider.PlainMap(req.NewInputs)
	if olds == nil {
		olds = provider.PlainMap(req.OldOutputs)
	}
	diff := olds.Diff(news)
	if diff == nil {
		return plugin.DiffConfigResponse{Changes: plugin.DiffNone}, nil
	}
	res := plugin.DiffConfigResponse{Changes: plugin.DiffSome, ChangedKeys: diff.ChangedKeys()}

	const id = resource.PropertyKey("clusterIdentifier")
	// An identifier that is not known yet is a changed one, and whether that means
	// replacement is left to the resource's replaceOnChanges: the engine ends a
	// provider that says "replace" while it looks for what depends on a resource
	// that it is about to delete, and then cannot delete the dependents with it.
	if news[id].IsComputed() {
		return res, nil
	}
	if diff.Updated(id) {
		res.ReplaceKeys = append(res.ReplaceKeys, id)
	}
	// The same identifier means the same cluster, whatever else changed.
	if news.HasValue(id) && diff.Same(id) {
		return res, nil
	}
	for _, key := range []resource.PropertyKey{"kubeconfig", "context", "cluster"} {
		if news[key].IsComputed() {
			res.ReplaceKeys = append(res.ReplaceKeys, key)
			return res, nil
		}
	}
	before, err := activeCluster(olds)
	if err != nil {
		return plugin.DiffConfigResponse{}, fmt.Errorf("old kubeconfig: %w", err)
	}
	after, err := activeCluster(news)
	if err != nil {
		return plugin.DiffConfigResponse{}, err
	}
	if before != after {
		res.ReplaceKeys = append(res.ReplaceKeys, "kubeconfig")
	}
	return res, nil
}

// Configure makes the cluster's clients without calling it: previews of a
// cluster that does not exist yet must work, and the first operation that needs
// the cluster finds out.
func (p *Provider) Configure(_ context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	in := provider.PlainMap(req.Inputs)
	conf := config{
		deleteUnreachable:     flag(in, "deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
		skipUpdateUnreachable: flag(in, "skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
		patchForce:            flag(in, "enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
		upsert:                flag(in, "upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
		configMapMutable:      flag(in, "enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
		secretMutable:         flag(in, "enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
	}
	conf.cluster = text(in, "clusterIdentifier", "")
	helm := nested(in, "helmReleaseSettings")
	conf.helmDriver = text(helm, "driver", "PULUMI_K8S_HELM_DRIVER")
	conf.helmRegistryConfig = text(helm, "registryConfigPath", "PULUMI_K8S_HELM_REGISTRY_CONFIG_PATH")
	conf.helmRepositoryConfig = text(helm, "repositoryConfigPath", "PULUMI_K8S_HELM_REPOSITORY_CONFIG_PATH")
	conf.helmRepositoryCache = text(helm, "repositoryCache", "PULUMI_K8S_HELM_REPOSITORY_CACHE")

	var unknown error
	for _, key := range []resource.PropertyKey{"kubeconfig", "context", "cluster"} {
		if in[key].IsComputed() {
			unknown = fmt.Errorf("the provider's %s is not known yet", key)
		}
	}
	c := unreachableCluster(unknown)
	if unknown == nil {
		rest, namespace, err := restConfig(in)
		switch {
		case errors.Is(err, errKubeconfig):
			c = unreachableCluster(err)
		case err != nil:
			return plugin.ConfigureResponse{}, err
		default:
			conf.namespace = namespace
			tune(rest, nested(in, "kubeClientSettings"))
			if c, err = newCluster(rest); err != nil {
				return plugin.ConfigureResponse{}, err
			}
		}
	}
	if ns := text(in, "namespace", ""); ns != "" {
		conf.namespace = ns
	}
	conf.namespace = cmp.Or(conf.namespace, metav1.NamespaceDefault)
	c.proof = p.proofOf(conf)
	p.mu.Lock()
	p.conf, p.cluster = conf, c
	p.mu.Unlock()
	return plugin.ConfigureResponse{}, nil
}

// Options reach a provider as the values they are, or as strings when they
// come from the stack's configuration.

func isTrue(v resource.PropertyValue) bool {
	return v.IsBool() && v.BoolValue() || v.IsString() && v.StringValue() == "true"
}

func isSet(v resource.PropertyValue) bool { return v.HasValue() && !v.IsComputed() }

func isText(v resource.PropertyValue) bool { return v.IsString() && v.StringValue() != "" }

func flag(in resource.PropertyMap, key resource.PropertyKey, env string) bool {
	if v, ok := in[key]; ok && v.HasValue() {
		return isTrue(v)
	}
	set, _ := strconv.ParseBool(os.Getenv(env))
	return set
}

func text(in resource.PropertyMap, key resource.PropertyKey, env string) string {
	if v := in[key]; isText(v) {
		return v.StringValue()
	}
	if env == "" {
		return ""
	}
	return os.Getenv(env)
}

func number(in resource.PropertyMap, key resource.PropertyKey, env string) float64 {
	if v, ok := in[key]; ok && v.IsNumber() {
		return v.NumberValue()
	}
	n, _ := strconv.ParseFloat(text(in, key, env), 64) // 0 for none
	return n
}

func nested(in resource.PropertyMap, key resource.PropertyKey) resource.PropertyMap {
	v, ok := in[key]
	switch {
	case ok && v.IsObject():
		return v.ObjectValue()
	case ok && v.IsString(): // JSON, from the stack's configuration
		m, _ := parseJSON(v.StringValue())
		return m
	}
	return nil
}
