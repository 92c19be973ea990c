// Package command is a twin of the official pulumi-command provider 1.2.1 for
// the resource command:local:Command. It differs in three points:
//
//   - assetPaths and archivePaths are refused.
//   - When an input is secret, stdout and stderr are secret too, where the official
//     provider leaves that to additionalSecretOutputs, and the command's text and
//     output are left out of the log and of errors, unless logging asks for them.
//   - A cancellation kills all that the command started, not its first process
//     alone.
package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/meshwright/meshwright/internal/provider"
)

// Version is the plugin version that the command SDK asks for.
const Version = "1.2.1"

const commandType tokens.Type = "command:local:Command"

type twin struct {
	provider.Base
}

// New returns a provider for one connection.
func New() plugin.Provider {
	return &twin{Base: provider.Base{Package: "command", Version: semver.MustParse(Version)}}
}

// args are the inputs of command:local:Command. Its outputs are these, stdout
// and stderr.
type args struct {
	Create                 *string           `json:"create"`
	Update                 *string           `json:"update"` // absent: Create
	Delete                 *string           `json:"delete"`
	Dir                    *string           `json:"dir"` // absent: the working directory of this process
	Environment            map[string]string `json:"environment"`
	Interpreter            []string          `json:"interpreter"` // empty: /bin/sh -c
	Stdin                  *string           `json:"stdin"`
	Triggers               []any             `json:"triggers"`               // left undecoded
	Logging                *string           `json:"logging"`                // absent: stdoutAndStderr
	AddPreviousOutputInEnv *bool             `json:"addPreviousOutputInEnv"` // absent: true
	AssetPaths             []string          `json:"assetPaths"`
	ArchivePaths           []string          `json:"archivePaths"`
}

var loggings = []string{"stdout", "stderr", "stdoutAndStderr", "none"}

func check(typ tokens.Type) error {
	if typ != commandType {
		return fmt.Errorf("the embedded command provider has no resource type %s: it holds local.Command; the official plugin has the rest", typ)
	}
	return nil
}

// decode reads inputs or a state. Outputs that are no inputs are left aside, and
// triggers, which are of any type, assets included: a command never sees them.
func decode(m resource.PropertyMap) (args, []string, error) {
	inputs := m.Copy()
	for _, key := range []resource.PropertyKey{"stdout", "stderr", "triggers"} {
		delete(inputs, key)
	}
	var a args
	unknown, err := provider.Decode(inputs, &a)
	return a, unknown, err
}

func (t *twin) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.CheckResponse{}, err
	}
	a, _, err := decode(req.News)
	if err != nil {
		return plugin.CheckResponse{Failures: []plugin.CheckFailure{{Reason: err.Error()}}}, nil
	}
	var failures []plugin.CheckFailure
	for property, paths := range map[resource.PropertyKey][]string{"assetPaths": a.AssetPaths, "archivePaths": a.ArchivePaths} {
		if len(paths) > 0 {
			failures = append(failures, plugin.CheckFailure{Property: property, Reason: "the embedded command provider does not return files; the official plugin does"})
		}
	}
	if a.Logging != nil && !slices.Contains(loggings, *a.Logging) {
		failures = append(failures, plugin.CheckFailure{Property: "logging", Reason: fmt.Sprintf("%q is none of %v", *a.Logging, loggings)})
	}
	inputs := req.News.Copy()
	if v, ok := inputs["addPreviousOutputInEnv"]; !ok || v.IsNull() {
		inputs["addPreviousOutputInEnv"] = resource.NewBoolProperty(true)
	}
	return plugin.CheckResponse{Properties: inputs, Failures: failures}, nil
}

func (t *twin) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.DiffResponse{}, err
	}
	return provider.Diff(req.OldInputs, req.NewInputs, func(k resource.PropertyKey) bool { return k == "triggers" }), nil
}

func (t *twin) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.CreateResponse{}, err
	}
	outputs := req.Properties.Copy()
	if req.Preview {
		return plugin.CreateResponse{Properties: set(outputs, provider.Unknown(), provider.Unknown())}, nil
	}
	a, unknown, err := decode(req.Properties)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if len(unknown) > 0 {
		return plugin.CreateResponse{}, fmt.Errorf("%s: unknown inputs: %v", req.URN.Name(), unknown)
	}
	id, err := resource.NewUniqueHex(req.URN.Name(), 8, 0)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	var out output
	if a.Create != nil {
		if out, err = t.run(ctx, req.URN, *a.Create, a, output{}, req.Properties, req.Timeout); err != nil {
			return plugin.CreateResponse{}, err
		}
	}
	return plugin.CreateResponse{ID: resource.ID(id), Properties: set(outputs, out.stdout, out.stderr)}, nil
}

// Read has nothing to look at: what a command did, it does not say.
func (t *twin) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.ReadResponse{}, err
	}
	if len(req.State) == 0 {
		return plugin.ReadResponse{}, fmt.Errorf("%s cannot be imported", req.Type)
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
}

func (t *twin) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.UpdateResponse{}, err
	}
	outputs := req.NewInputs.Copy()
	if req.Preview {
		return plugin.UpdateResponse{Properties: set(outputs, provider.Unknown(), provider.Unknown())}, nil
	}
	a, unknown, err := decode(req.NewInputs)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if len(unknown) > 0 {
		return plugin.UpdateResponse{}, fmt.Errorf("%s: unknown inputs: %v", req.URN.Name(), unknown)
	}
	command := a.Create
	if a.Update != nil {
		command = a.Update
	}
	out := previous(req.OldOutputs)
	if command != nil {
		if out, err = t.run(ctx, req.URN, *command, a, out, req.NewInputs, req.Timeout); err != nil {
			return plugin.UpdateResponse{}, err
		}
	}
	return plugin.UpdateResponse{Properties: set(outputs, out.stdout, out.stderr)}, nil
}

func (t *twin) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.DeleteResponse{}, err
	}
	a, _, err := decode(req.Inputs)
	if err != nil || a.Delete == nil {
		return plugin.DeleteResponse{}, err
	}
	_, err = t.run(ctx, req.URN, *a.Delete, a, previous(req.Outputs), req.Outputs, req.Timeout)
	return plugin.DeleteResponse{}, err
}

// output is what a command wrote, less one newline at the end.
type output struct{ stdout, stderr resource.PropertyValue }

// previous is what the last command wrote.
func previous(outputs resource.PropertyMap) output {
	return output{outputs["stdout"], outputs["stderr"]}
}

// set adds what a command wrote to its outputs, secret if an input is.
func set(outputs resource.PropertyMap, stdout, stderr resource.PropertyValue) resource.PropertyMap {
	secret := outputs.ContainsSecrets()
	for k, v := range map[resource.PropertyKey]resource.PropertyValue{"stdout": stdout, "stderr": stderr} {
		if v.V == nil {
			v = resource.NewStringProperty("")
		}
		if secret && !v.IsSecret() {
			v = resource.MakeSecret(v)
		}
		outputs[k] = v
	}
	return outputs
}
