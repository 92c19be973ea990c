package provider

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Simulated returns p without effects. It checks, diffs and previews as p does. Create
// returns the preview, completed by made; Read returns the state; Update returns the
// preview; Delete does nothing.
func Simulated(p plugin.Provider, made func(plugin.CreateRequest, *plugin.CreateResponse) error) plugin.Provider {
	return simulated{p, made}
}

type simulated struct {
	plugin.Provider
	made func(plugin.CreateRequest, *plugin.CreateResponse) error
}

func (s simulated) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	preview := req.Preview
	req.Preview = true
	res, err := s.Provider.Create(ctx, req)
	if err == nil && !preview {
		err = s.made(req, &res)
	}
	return res, err
}

func (s simulated) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
}

func (s simulated) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	req.Preview = true
	return s.Provider.Update(ctx, req)
}

func (s simulated) Delete(context.Context, plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return plugin.DeleteResponse{}, nil
}
