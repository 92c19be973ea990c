package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

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
		out = chartutil.CoalesceTables(valueTree(v, nulls).(map[string]any), out)
	}
	if !nulls {
		out = withoutNulls(out).(map[string]any)
	}
	return out, nil
}

// valueTree is toValue with nulls, which in Helm take a default away.
func valueTree(v resource.PropertyValue, nulls bool) any {
	switch {
	case v.IsObject():
		out := map[string]any{}
		for k, e := range v.ObjectValue() {
			if nulls || !e.IsNull() {
				out[string(k)] = valueTree(e, nulls)
			}
		}
		return out
	case v.IsArray():
		out := []any{}
		for _, e := range v.ArrayValue() {
			out = append(out, valueTree(e, nulls))
		}
		return out
	}
	tree, _ := toValue(v)
	return tree
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = withoutNulls(e)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e != nil {
				out = append(out, withoutNulls(e))
			}
		}
		return out
	}
	return v
}

// checkRelease completes a release's inputs: name, namespace, timeout, and what
// follows from rendering the chart here: the names of its resources and the
// checksum by which a changed chart is noticed. Rendering needs no cluster.
func (p *Provider) checkRelease(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	conf, _ := p.configured()
	in := req.News.Copy()
	delete(in, "compat") // a marker of the SDK's that is no input
	for _, computed := range []resource.PropertyKey{"checksum", "resourceNames", "status"} {
		delete(in, computed)
	}
	for k, v := range in {
		if v.IsNull() {
			delete(in, k)
		}
	}
	if isEmptyProperty(in["name"]) {
		if old := provider.Plain(req.Olds["name"]); old.IsString() && old.StringValue() != "" {
			in["name"] = old
		} else {
			name, err := autoname(req.URN, req.RandomSeed, req.Autonaming)
			if err != nil {
				return plugin.CheckResponse{Properties: req.News, Failures: []plugin.CheckFailure{{Property: "name", Reason: err.Error()}}}, nil
			}
			in["name"] = resource.NewProperty(name)
		}
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

	fail := func(property string, err error) (plugin.CheckResponse, error) {
		return plugin.CheckResponse{Properties: in, Failures: []plugin.CheckFailure{{Property: keyOf(property), Reason: err.Error()}}}, nil
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

// diffRelease compares inputs; another name or namespace is another release. A
// release that a refresh found failed or unfinished is updated. What follows from
// rendering the chart counts where both sides have it: not while an input is
// unknown, nor against a state of the official provider, which does not render
// and writes the chart's own version instead.
func (p *Provider) diffRelease(req plugin.DiffRequest) (plugin.DiffResponse, error) {
	olds := req.OldInputs
	if len(olds) == 0 {
		if in := provider.Plain(req.OldOutputs[keyInputs]); in.IsObject() {
			olds = in.ObjectValue()
		}
	}
	before, after := stated(toTree(olds)), stated(toTree(req.NewInputs))
	if before["checksum"] == nil && after["checksum"] != nil && after["version"] == nil {
		delete(before, "version")
	}
	for _, rendered := range []string{"checksum", "resourceNames"} {
		if before[rendered] == nil || after[rendered] == nil {
			delete(before, rendered)
			delete(after, rendered)
		}
	}
	var changes []change
	for _, ch := range compare(nil, before, after) {
		if ignored(ch, req.IgnoreChanges) {
			continue
		}
		if ch.under("name") || ch.under("namespace") {
			ch.kind = ch.kind.AsReplace()
		}
		changes = append(changes, ch)
	}
	res := plugin.DiffResponse{Changes: plugin.DiffNone, DetailedDiff: detailed(changes)}
	for path, d := range res.DetailedDiff {
		d.InputDiff = true
		res.DetailedDiff[path] = d
	}
	status := provider.Plain(req.OldOutputs["status"])
	if status.IsObject() {
		if now := status.ObjectValue()["status"]; now.IsString() && now.StringValue() != "deployed" {
			res.DetailedDiff["status"] = plugin.PropertyDiff{Kind: plugin.DiffUpdate}
		}
	}
	if len(res.DetailedDiff) > 0 {
		res.Changes = plugin.DiffSome
	}
	for _, ch := range changes {
		if ch.isReplace() {
			res.ReplaceKeys = append(res.ReplaceKeys, keyOf(ch.path.String()))
		}
	}
	return res, nil
}
