// Package paths has the directories in which Meshwright keeps things on a machine. It
// creates nothing: the package that writes creates the directory, with the mode stated
// here.
//
//	Cache()    what can be built again: the kit, build steps, downloads
//	State()    what cannot: stacks, passphrase, kubeconfigs, logs (0700)
//	DataDir    the data of the Docker daemon that `meshwright setup` starts
//	RuntimeDir its socket and pid file
package paths

import (
	"os"
	"path/filepath"
	"strconv"
)

const (
	// RuntimeDir holds docker.sock and docker.pid of the daemon that setup started.
	RuntimeDir = "/run/meshwright"
	// DataDir holds that daemon's data root, configuration, log and record.
	// It belongs to the machine and not to a user, so that every clone shares it.
	DataDir = "/var/lib/meshwright"
	// DockerSocket is where the daemon that setup started listens.
	DockerSocket = RuntimeDir + "/docker.sock"

	program = "meshwright"
)

// Cache returns the directory of what can be built again: $XDG_CACHE_HOME or
// ~/.cache, with /meshwright behind it. It is shared by every clone.
func Cache() string { return base("XDG_CACHE_HOME", ".cache") }

// State returns the directory of what cannot be built again: $XDG_STATE_HOME or
// ~/.local/state, with /meshwright behind it. It holds secrets; create it 0700.
func State() string { return base("XDG_STATE_HOME", filepath.Join(".local", "state")) }

// Kit returns the directory that holds artifacts.json, bin/ and charts/:
// $MESHWRIGHT_KIT, or kit in the cache.
func Kit() string {
	if kit := os.Getenv("MESHWRIGHT_KIT"); kit != "" {
		if abs, err := filepath.Abs(kit); err == nil {
			return abs
		}
		return kit
	}
	return filepath.Join(Cache(), "kit")
}

// Labs returns the directory under which every lab has its own.
func Labs() string { return filepath.Join(State(), "labs") }

// Lab returns one lab's directory: owner file, workspace and kubeconfigs.
// Create it 0700.
func Lab(lab string) string { return filepath.Join(Labs(), lab) }

// base follows the XDG base directory rule: a relative value of the variable
// is invalid and ignored. Without a home directory the machine's temporary
// directory serves, apart by user.
func base(variable, fallback string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, program)
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		home = filepath.Join(os.TempDir(), program+"-"+strconv.Itoa(os.Getuid()))
	}
	return filepath.Join(home, fallback, program)
}
