// Package command is a twin of the official pulumi-command provider 1.2.1 for
// the resource command:local:Command.
package command

import (
	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
)

// Version is the plugin version that the command SDK asks for.
const Version = "1.2.1"

type twin struct {
	provider.Base
}

// New returns a provider for one connection.
func New() plugin.Provider {
	return &twin{Base: provider.Base{Package: "command", Version: semver.MustParse(Version)}}
}
