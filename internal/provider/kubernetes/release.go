package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/provider"
)

// defaultReleaseTimeout is Helm's, in seconds.
const defaultReleaseTimeout = 300

// releaseInputs are the inputs of a kubernetes:helm.sh/v3:Release, under the
// official SDK's names.
type releaseInputs struct {
	AllowNullValues          bool           `json:"allowNullValues"`
	Atomic                   bool           `json:"atomic"`
	Chart                    string         `json:"chart"`
	CleanupOnFail            bool           `json:"cleanupOnFail"`
	CreateNamespace          bool           `json:"createNamespace"`
	DependencyUpdate         bool           `json:"dependencyUpdate"`
	Description              string         `json:"description"`
	Devel                    bool           `json:"devel"`
	DisableCRDHooks          bool           `json:"disableCRDHooks"`
	DisableOpenapiValidation bool           `json:"disableOpenapiValidation"`
	DisableWebhooks          bool           `json:"disableWebhooks"`
	ForceUpdate              bool           `json:"forceUpdate"`
	Keyring                  string         `json:"keyring"`
	Lint                     bool           `json:"lint"`
	MaxHistory               int            `json:"maxHistory"`
	Name                     string         `json:"name"`
	Namespace                string         `json:"namespace"`
	Postrender               string         `json:"postrender"`
	RecreatePods             bool           `json:"recreatePods"`
	RenderSubchartNotes      bool           `json:"renderSubchartNotes"`
	Replace                  bool           `json:"replace"`
	RepositoryOpts           repositoryOpts `json:"repositoryOpts"`
	ResetValues              bool           `json:"resetValues"`
	ReuseValues              bool           `json:"reuseValues"`
	SkipAwait                bool           `json:"skipAwait"`
	SkipCrds                 bool           `json:"skipCrds"`
	Timeout                  int            `json:"timeout"` // seconds; 0 is Helm's default
	Verify                   bool           `json:"verify"`
	Version                  string         `json:"version"`
	WaitForJobs              bool           `json:"waitForJobs"`

	values map[string]any // values over the valueYamlFiles
}

type repositoryOpts struct {
	Repo     string `json:"repo"`
	CAFile   string `json:"caFile"`
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// decodeRelease reads inputs that hold no unknown values.
func decodeRelease(in resource.PropertyMap) (*releaseInputs, error) {
	tree := toTree(in)
	for _, key := range []string{"values", "valueYamlFiles", "resourceNames", "status", "manifest"} {
		delete(tree, key)
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	rel := &releaseInputs{}
	if err := json.Unmarshal(raw, rel); err != nil {
		return nil, fmt.Errorf("inputs of the Helm release: %w", err)
	}
	rel.values, err = releaseValues(in, rel.AllowNullValues)
	return rel, err
}

// releaseValues merges values over the contents of valueYamlFiles, the later
// file over the earlier one.
func releaseValues(in resource.PropertyMap, nulls bool) (map[string]any, error) {
	out := map[string]any{}
	if files := provider.Plain(in["valueYamlFiles"]); files.IsArray() {
		for i, f := range files.ArrayValue() {
			if !f.IsAsset() {
				return nil, fmt.Errorf("valueYamlFiles[%d] is not an asset", i)
			}
			raw, err := f.AssetValue().Bytes()
			if err != nil {
				return nil, fmt.Errorf("valueYamlFiles[%d]: %w", i, err)
			}
			var m map[string]any
			if err := yaml.Unmarshal(raw, &m); err != nil {
				return nil, fmt.Errorf("valueYamlFiles[%d]: %w", i, err)
			}
			out = chartutil.CoalesceTables(m, out)
		}
	}
	if v := provider.Plain(in["values"]); v.IsObject() {
		// With nulls, which in Helm take a default away.
		out = chartutil.CoalesceTables(v.ObjectValue().MapRepl(nil, treeValue), out)
	}
	if !nulls {
		out = withoutNulls(out).(map[string]any)
	}
	return out, nil
}

// checkRelease completes a release's inputs: name, namespace, timeout, and what
// follows from rendering the chart here: the names of its resources and the
// checksum by which a changed chart is noticed. Rendering needs no cluster.
func (p *Provider) checkRelease(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	conf, _ := p.configured()
	in := req.News.Copy()
	fail := func(property string, err error) (plugin.CheckResponse, error) {
		return plugin.CheckResponse{Properties: in, Failures: []plugin.CheckFailure{{Property: keyOf(property), Reason: err.Error()}}}, nil
	}
	// What is computed is no input, and compat is a marker of the SDK's.
	notInputs := []resource.PropertyKey{"checksum", "compat", "resourceNames", "status"}
	maps.DeleteFunc(in, func(k resource.PropertyKey, v resource.PropertyValue) bool {
		return v.IsNull() || slices.Contains(notInputs, k)
	})
	if isEmptyProperty(in["name"]) {
		name := provider.Text(req.Olds["name"])
		if name == "" {
			var err error
			if name, err = autoname(req.URN, req.RandomSeed, req.Autonaming); err != nil {
				return fail("name", err)
			}
		}
		in["name"] = resource.NewProperty(name)
	}
	if isEmptyProperty(in["namespace"]) {
		in["namespace"] = resource.NewProperty(conf.namespace)
	}
	if _, set := in["timeout"]; !set {
		in["timeout"] = resource.NewProperty(float64(defaultReleaseTimeout))
		if isTrue(provider.Plain(in["skipAwait"])) {
			in["timeout"] = resource.NewProperty(0.0)
		}
	}
	if isTrue(provider.Plain(in["verify"])) && isEmptyProperty(in["keyring"]) {
		in["keyring"] = resource.NewProperty(os.ExpandEnv("$HOME/.gnupg/pubring.gpg"))
	}
	writeOut(in)
	if in.ContainsUnknowns() {
		return plugin.CheckResponse{Properties: in}, nil
	}

	rel, err := decodeRelease(in)
	if err != nil {
		return fail("values", err)
	}
	if files, ok := in["valueYamlFiles"]; ok { // from here on they are in values
		merged := toProperty(rel.values)
		if files.ContainsSecrets() {
			merged = resource.MakeSecret(merged)
		} else if values, ok := in["values"]; ok {
			merged = markSecret(merged, values)
		}
		in["values"] = merged
		delete(in, "valueYamlFiles")
	}
	rendered, err := p.renderer(ctx, rel)
	if errors.Is(err, errNoRendering) {
		return plugin.CheckResponse{Properties: in}, nil
	}
	if err != nil {
		return fail("chart", fmt.Errorf("%w; check the chart name and repository configuration", err))
	}
	in["checksum"] = resource.NewProperty(rendered.Checksum)
	if rendered.Names != nil {
		in["resourceNames"] = toProperty(rendered.Names)
	}
	return plugin.CheckResponse{Properties: in}, nil
}

// writeOut sets what the program left out to what that means. The official provider
// writes all of a release into its inputs, and would otherwise find that much to
// change in what this one has written. The version is the program's to say.
func writeOut(in resource.PropertyMap) {
	zeros := func(in resource.PropertyMap, typ reflect.Type) {
		for _, f := range reflect.VisibleFields(typ) {
			key := keyOf(f.Tag.Get("json"))
			if _, set := in[key]; set || key == "version" {
				continue
			}
			switch f.Type.Kind() {
			case reflect.Bool:
				in[key] = resource.NewProperty(false)
			case reflect.String:
				in[key] = resource.NewProperty("")
			}
		}
	}
	zeros(in, reflect.TypeFor[releaseInputs]())
	if _, set := in["values"]; !set {
		in["values"] = resource.NewProperty(resource.PropertyMap{})
	}
	if opts := in["repositoryOpts"]; opts.IsObject() {
		all := opts.ObjectValue().Copy()
		zeros(all, reflect.TypeFor[repositoryOpts]())
		in["repositoryOpts"] = resource.NewProperty(all)
	}
}

// stated is what of a release's inputs says something, in contrast to what writeOut
// adds: states that others wrote, or this provider once, may have it or not.
func stated(in map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		m, isMap := v.(map[string]any)
		switch {
		case k == "values" && isMap: // in these, what is empty says something
			if len(m) > 0 {
				out[k] = v
			}
			continue
		case k == "repositoryOpts" && isMap:
			v = stated(m)
		}
		if !isEmpty(v) {
			out[k] = v
		}
	}
	return out
}

func isEmptyProperty(v resource.PropertyValue) bool {
	v = provider.Plain(v)
	return v.IsNull() || v.IsString() && v.StringValue() == ""
}

// releaseInputsOf returns the inputs of a release, from its state where there are none.
func releaseInputsOf(inputs, state resource.PropertyMap) resource.PropertyMap {
	if in := provider.Plain(state[keyInputs]); len(inputs) == 0 && in.IsObject() {
		return in.ObjectValue()
	}
	return inputs
}

// diffRelease compares inputs; another name or namespace is another release. A
// release that a refresh found failed or unfinished is updated. What follows from
// rendering the chart counts where both sides have it: not while an input is
// unknown, nor against a state of the official provider, which does not render
// and writes the chart's own version instead.
func (p *Provider) diffRelease(req plugin.DiffRequest) (plugin.DiffResponse, error) {
	before, after := stated(toTree(releaseInputsOf(req.OldInputs, req.OldOutputs))), stated(toTree(req.NewInputs))
	if before["checksum"] == nil && after["checksum"] != nil && after["version"] == nil {
		delete(before, "version")
	}
	for _, rendered := range []string{"checksum", "resourceNames"} {
		if before[rendered] == nil || after[rendered] == nil {
			delete(before, rendered)
			delete(after, rendered)
		}
	}
	res := answer(differences(before, after, req.IgnoreChanges, []string{"name", "namespace"}))
	for path, d := range res.DetailedDiff {
		d.InputDiff = true
		res.DetailedDiff[path] = d
	}
	if now, ok := mapAt(toTree(req.OldOutputs), "status")["status"].(string); ok && now != "deployed" {
		res.Changes = plugin.DiffSome
		res.DetailedDiff["status"] = plugin.PropertyDiff{Kind: plugin.DiffUpdate}
	}
	return res, nil
}
