package tls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// simulated makes no keys and signs nothing: checks, diffs and previews are the
// provider's own, and what is created is a stand-in that follows from the URN.
// Its certificates never expire.
type simulated struct{ *twin }

// NewSimulated returns a provider for one connection.
func NewSimulated() plugin.Provider { return simulated{New().(*twin)} }

func (s simulated) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	preview := req.Preview
	req.Preview = true
	res, err := s.twin.Create(ctx, req)
	if err != nil || preview {
		return res, err
	}
	k := kinds[req.Type] // Create knew it
	for _, key := range k.computed {
		sum := sha256.Sum256([]byte(key + " of " + string(req.URN)))
		value := "simulated-" + hex.EncodeToString(sum[:8])
		if strings.Contains(key, "Pem") {
			value = string(pem.EncodeToMemory(&pem.Block{Type: "SIMULATED", Bytes: sum[:]}))
		}
		res.Properties[resource.PropertyKey(key)] = str(value)
	}
	return plugin.CreateResponse{ID: resource.ID(sha1Hex([]byte(req.URN))), Properties: k.hide(res.Properties)}, nil
}
