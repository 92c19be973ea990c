package provider

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Watch returns a factory whose providers pass every property map that they get
// or return to saw, secrets included. The engine's events lack secrets, but a
// printer of events must know them to hide them. saw is called from several
// goroutines.
func Watch(f Factory, saw func(resource.PropertyMap)) Factory {
	return func() plugin.Provider { return watched{f(), saw} }
}

type watched struct {
	plugin.Provider
	saw func(resource.PropertyMap)
}

func (w watched) CheckConfig(ctx context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	w.saw(req.News)
	return w.Provider.CheckConfig(ctx, req)
}

func (w watched) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	w.saw(req.News)
	res, err := w.Provider.Check(ctx, req)
	w.saw(res.Properties)
	return res, err
}

func (w watched) Diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	w.saw(req.OldInputs)
	w.saw(req.OldOutputs)
	return w.Provider.Diff(ctx, req)
}

func (w watched) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	res, err := w.Provider.Create(ctx, req)
	w.saw(res.Properties)
	return res, err
}

func (w watched) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	res, err := w.Provider.Update(ctx, req)
	w.saw(res.Properties)
	return res, err
}

// LeafSecrets calls found with every text in m that is, or is part of, a secret.
// Bookkeeping of providers is left out: it repeats all inputs as one secret.
func LeafSecrets(m resource.PropertyMap, found func(string)) {
	leafSecrets(resource.NewObjectProperty(m), false, found)
}

func leafSecrets(v resource.PropertyValue, secret bool, found func(string)) {
	switch {
	case v.IsSecret():
		leafSecrets(v.SecretValue().Element, true, found)
	case v.IsOutput():
		leafSecrets(v.OutputValue().Element, secret || v.OutputValue().Secret, found)
	case v.IsArray():
		for _, e := range v.ArrayValue() {
			leafSecrets(e, secret, found)
		}
	case v.IsObject():
		for k, e := range v.ObjectValue() {
			if !internal(k) {
				leafSecrets(e, secret, found)
			}
		}
	case v.IsString() && secret:
		found(v.StringValue())
	}
}
