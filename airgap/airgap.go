// Package airgap holds what the airgap kit is made from, embedded so that an
// installed executable needs no checkout: the lock, the Go modules to compile,
// the kit's own programs and the image definitions. internal/airgap builds them.
package airgap

import "embed"

// Files is the tree:
//
//	lock.json        versions, and checksums of what no module.sum covers
//	modules/<name>/  module.mod and module.sum (go.mod and go.sum under names that
//	                 can be embedded), and main.go where a module's own command
//	                 cannot be built by name
//	programs/<name>/ sources of the kit's own programs
//	images/          scripts and files that go into images
//
//go:embed lock.json modules programs images
var Files embed.FS
