// Package tls is a twin of the official pulumi-tls provider 5.3.1 for the
// resources PrivateKey, SelfSignedCert, CertRequest and LocallySignedCert: same
// tokens, inputs, outputs, secrets, and replacement on change.
package tls

import (
	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
)

// Version is the plugin version that the tls SDK asks for.
const Version = "5.3.1"

type twin struct {
	provider.Base
}

// New returns a provider for one connection.
func New() plugin.Provider {
	return &twin{Base: provider.Base{Package: "tls", Version: semver.MustParse(Version)}}
}
