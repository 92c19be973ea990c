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
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// withoutOutputs leaves out of inputs or a state what is not decoded: outputs that are no
// inputs, and triggers, which are of any type, assets included.
func withoutOutputs(m resource.PropertyMap) resource.PropertyMap {
	inputs := m.Copy()
	for _, key := range []resource.PropertyKey{"stdout", "stderr", "triggers"} {
		delete(inputs, key)
	}
	return inputs
}

func (t *twin) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.CheckResponse{}, err
	}
	inputs := req.News.Copy()
	if v, ok := inputs["addPreviousOutputInEnv"]; !ok || v.IsNull() {
		inputs["addPreviousOutputInEnv"] = resource.NewBoolProperty(true)
	}
	var a args
	res := provider.CheckInputs(withoutOutputs(req.News), &a, func(c *provider.Checker) {
		for property, paths := range map[string][]string{"assetPaths": a.AssetPaths, "archivePaths": a.ArchivePaths} {
			if len(paths) > 0 {
				c.Fail(property, "the embedded command provider does not return files; the official plugin does")
			}
		}
		if a.Logging != nil && !slices.Contains(loggings, *a.Logging) {
			c.Fail("logging", "%q is none of %v", *a.Logging, loggings)
		}
	})
	if res.Properties != nil {
		res.Properties = inputs
	}
	return res, nil
}

func (t *twin) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	return provider.Diff(req.OldInputs, req.NewInputs, func(k resource.PropertyKey) bool { return k == "triggers" }), nil
}

func (t *twin) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	outputs, err := t.apply(ctx, req.URN, req.Properties, output{}, req.Preview, req.Timeout,
		func(a args) *string { return a.Create })
	if err != nil || req.Preview {
		return plugin.CreateResponse{Properties: outputs}, err
	}
	id, err := resource.NewUniqueHex(req.URN.Name(), 8, 0)
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, err
}

func (t *twin) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	outputs, err := t.apply(ctx, req.URN, req.NewInputs, previous(req.OldOutputs), req.Preview, req.Timeout,
		func(a args) *string { return cmp.Or(a.Update, a.Create) })
	return plugin.UpdateResponse{Properties: outputs}, err
}

// apply runs the command that choose returns, if any, and returns the outputs. Without
// a command what the last one wrote stays.
func (t *twin) apply(ctx context.Context, urn resource.URN, inputs resource.PropertyMap, last output, preview bool, seconds float64,
	choose func(args) *string,
) (resource.PropertyMap, error) {
	if preview {
		return set(inputs.Copy(), output{provider.Unknown(), provider.Unknown()}), nil
	}
	var a args
	unknown, err := provider.Decode(withoutOutputs(inputs), &a)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("%s: unknown inputs: %v", urn.Name(), unknown)
	}
	if command := choose(a); command != nil {
		if last, err = t.run(ctx, urn, *command, a, last, inputs, seconds); err != nil {
			return nil, err
		}
	}
	return set(inputs.Copy(), last), nil
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

func (t *twin) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	if err := check(req.Type); err != nil {
		return plugin.DeleteResponse{}, err
	}
	var a args
	if _, err := provider.Decode(withoutOutputs(req.Inputs), &a); err != nil || a.Delete == nil {
		return plugin.DeleteResponse{}, err
	}
	_, err := t.run(ctx, req.URN, *a.Delete, a, previous(req.Outputs), req.Outputs, req.Timeout)
	return plugin.DeleteResponse{}, err
}

// output is what a command wrote, less one newline at the end.
type output struct{ stdout, stderr resource.PropertyValue }

// previous is what the last command wrote.
func previous(outputs resource.PropertyMap) output {
	return output{outputs["stdout"], outputs["stderr"]}
}

// set adds what a command wrote to its outputs, secret if an input is.
func set(outputs resource.PropertyMap, out output) resource.PropertyMap {
	secret := outputs.ContainsSecrets()
	for k, v := range map[resource.PropertyKey]resource.PropertyValue{"stdout": out.stdout, "stderr": out.stderr} {
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

// NewSimulated returns a provider for one connection that runs nothing. The outputs of
// what it creates are empty.
func NewSimulated() plugin.Provider {
	return provider.Simulated(New(), func(req plugin.CreateRequest, res *plugin.CreateResponse) error {
		sum := sha256.Sum256([]byte(req.URN))
		res.ID = resource.ID(req.URN.Name() + hex.EncodeToString(sum[:4]))
		set(res.Properties, output{})
		return nil
	})
}
