package kind

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/slots"
)

// addresses holds the inputs of meshwright:kind:Addresses, which exists in the state
// alone: it remembers which part of the address plan each cluster has. Check adds the
// input "slots", since the engine shows it what the state has.
type addresses struct {
	Clusters []string `json:"clusters"`
	Capacity int      `json:"capacity"` // number of slots
}

func checkAddresses(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	var a addresses
	var held struct {
		Slots map[string]int `json:"slots"`
	}
	var assigned map[string]int
	res := provider.CheckInputs(req.News, &a, func(c *provider.Checker) {
		if before, ok := req.Olds["slots"]; ok {
			if _, err := provider.Decode(resource.PropertyMap{"slots": before}, &held); err != nil {
				c.Fail("slots", "as the state has them: %v", err)
				return
			}
		}
		assigned = slots.Assign(held.Slots, a.Clusters, a.Capacity)
		c.Need(len(assigned) == len(a.Clusters), "clusters", "%d clusters, addresses for %d", len(a.Clusters), a.Capacity)
	})
	if len(res.Failures) > 0 {
		return res, nil
	}
	added, err := provider.Encode(map[string]any{"slots": assigned})
	if err != nil {
		return res, err
	}
	res.Properties = res.Properties.Copy()
	res.Properties["slots"] = added["slots"]
	return res, nil
}

func diffAddresses(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	return provider.Diff(req.OldInputs, req.NewInputs, func(resource.PropertyKey) bool { return false }), nil
}

func createAddresses(_ context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	return plugin.CreateResponse{ID: resource.ID(req.URN.Name()), Properties: req.Properties}, nil
}

// readAddresses has nothing to look at but the state.
func readAddresses(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	if req.State == nil {
		return plugin.ReadResponse{}, nil
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
}

func updateAddresses(_ context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	return plugin.UpdateResponse{Properties: req.NewInputs}, nil
}

func deleteAddresses(context.Context, plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return plugin.DeleteResponse{}, nil
}
