// Package kind is the meshwright resource provider: kind clusters and the
// Docker networks that they sit on.
package kind

import (
	"log/slog"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
)

// Version is the provider's own version; the program asks for none in particular.
const Version = "0.1.0"

// Options say what the provider may use of the machine.
type Options struct {
	// Executable is a meshwright executable, for the child that runs kind's
	// create. Without one kind runs in this process, one cluster at a time.
	Executable string
	Log        *slog.Logger // nil discards
}

type twin struct {
	provider.Base
	options Options
}

// New returns a provider for one connection.
func New(o Options) plugin.Provider {
	return &twin{Base: provider.Base{Package: "meshwright", Version: semver.MustParse(Version)}, options: o}
}

// ChildMain is the main function of the child process that creates a cluster.
func ChildMain() int { return 1 }
