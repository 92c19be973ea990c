// Package artifacts owns what components are made of, by name: images and charts,
// from the official registries or from an airgap kit built on this machine.
//
// It registers nothing. A program hands one Set to every component that asks for one.
package artifacts

import "github.com/meshwright/meshwright/internal/artifacts"

// Set is everything a lab is made of.
type Set = artifacts.Set

// Image names a container image.
type Image = artifacts.Image

// Chart names a Helm chart, by repository or by file.
type Chart = artifacts.Chart

// Sources of a set.
const (
	SourceAirgap   = artifacts.SourceAirgap
	SourceRegistry = artifacts.SourceRegistry
)

// ErrNoKit means that no kit has been built in the directory asked for.
var ErrNoKit = artifacts.ErrNoKit

// Registry is the set of official images and charts by exact version. A caller that
// wants others changes the set, which is its own.
func Registry() *Set { return artifacts.Registry() }

// Load reads the airgap kit in that directory. The error wraps ErrNoKit when there is
// none. A kit's charts are named by their paths relative to it: besides our own
// providers, only one that runs in the kit's directory finds them.
func Load(kitDir string) (*Set, error) { return artifacts.Load(kitDir) }
