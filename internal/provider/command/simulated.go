package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// simulated runs nothing: checks, diffs and previews are the provider's own, and
// what is created has written nothing.
type simulated struct{ *twin }

// NewSimulated returns a provider for one connection.
func NewSimulated() plugin.Provider { return simulated{New().(*twin)} }

func (s simulated) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return s.twin.Create(ctx, req)
	}
	if err := check(req.Type); err != nil {
		return plugin.CreateResponse{}, err
	}
	sum := sha256.Sum256([]byte(req.URN))
	empty := resource.NewStringProperty("")
	return plugin.CreateResponse{
		ID:         resource.ID(req.URN.Name() + hex.EncodeToString(sum[:4])),
		Properties: set(req.Properties.Copy(), empty, empty),
	}, nil
}

// Update and Delete of what is not there do nothing.
func (s simulated) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	req.Preview = true
	return s.twin.Update(ctx, req)
}

func (s simulated) Delete(context.Context, plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return plugin.DeleteResponse{}, nil
}
