package tls

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
)

// NewSimulated returns a provider for one connection that makes no keys and signs
// nothing: what it creates is a stand-in that follows from the URN. Its certificates
// never expire.
func NewSimulated() plugin.Provider {
	return provider.Simulated(New(), func(req plugin.CreateRequest, res *plugin.CreateResponse) error {
		k := kinds[req.Type] // the preview knew it
		for _, key := range k.computed {
			sum := sha256.Sum256([]byte(key + " of " + string(req.URN)))
			value := "simulated-" + hex.EncodeToString(sum[:8])
			if strings.Contains(key, "Pem") {
				value = string(pem.EncodeToMemory(&pem.Block{Type: "SIMULATED", Bytes: sum[:]}))
			}
			res.Properties[resource.PropertyKey(key)] = str(value)
		}
		res.ID = resource.ID(sha1Hex([]byte(req.URN)))
		k.hide(res.Properties)
		return nil
	})
}
