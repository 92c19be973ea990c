// Package artifacts owns the images and charts of components, by name: from the official
// registries, or from an airgap kit that was built on this machine.
//
// It registers nothing. A program passes one Set to all components.
package artifacts

import "github.com/meshwright/meshwright/internal/artifacts"

// Set is the images and charts of a lab.
type Set = artifacts.Set

// Image is a container image.
type Image = artifacts.Image

// Chart is a Helm chart in a repository or in a file.
type Chart = artifacts.Chart

// Sources of a set.
const (
	SourceAirgap   = artifacts.SourceAirgap
	SourceRegistry = artifacts.SourceRegistry
)

// ErrNoKit means that the directory has no kit.
var ErrNoKit = artifacts.ErrNoKit

// Registry returns the official images and charts by exact version. The caller may
// change the set.
func Registry() *Set { return artifacts.Registry() }

// Load reads the airgap kit in a directory. The error wraps ErrNoKit if there is none. The
// paths of a kit's charts are relative to it: only Meshwright's providers, and a provider
// that runs in the kit's directory, find them.
func Load(kitDir string) (*Set, error) { return artifacts.Load(kitDir) }
