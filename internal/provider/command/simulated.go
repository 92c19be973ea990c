package command

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
)

// NewSimulated returns a provider for one connection that runs nothing: what it
// creates has written nothing.
func NewSimulated() plugin.Provider {
	return provider.Simulated(New(), func(req plugin.CreateRequest, res *plugin.CreateResponse) error {
		sum := sha256.Sum256([]byte(req.URN))
		res.ID = resource.ID(req.URN.Name() + hex.EncodeToString(sum[:4]))
		empty := resource.NewStringProperty("")
		set(res.Properties, empty, empty)
		return nil
	})
}
