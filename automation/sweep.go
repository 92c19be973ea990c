package automation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/meshwright/meshwright/internal/docker"
)

// Marks of what belongs to a lab.
const (
	ownerMount = "/etc/meshwright"    // where every node has the lab's owner directory
	labLabel   = "dev.meshwright.lab" // on the lab's networks and auxiliary containers
)

// Swept names what a sweep removed.
type Swept struct {
	Containers []string `json:"containers,omitempty"`
	Networks   []string `json:"networks,omitempty"`
}

// sweepDocker removes the containers, with their volumes, and the networks
// that bear the lab's mark: the owner directory of this very lab mounted, or
// its label together with its owner's. A name alone is no mark.
func sweepDocker(ctx context.Context, l *Lab) (*Swept, error) {
	swept := &Swept{}
	client, err := docker.Find(ctx)
	if err != nil {
		if _, statErr := os.Stat(l.ownerDir()); errors.Is(statErr, os.ErrNotExist) {
			return swept, nil // nothing was ever made with Docker
		}
		return nil, err
	}
	mine, err := client.Containers(ctx, docker.Filter{MountTarget: ownerMount})
	if err != nil {
		return nil, err
	}
	labelled, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{labLabel: l.o.Name}})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, c := range append(mine, labelled...) {
		if c.Labels[labLabel] == l.o.Name || ownedBy(c, l.ownerDir()) {
			ids = append(ids, c.ID)
			swept.Containers = append(swept.Containers, c.Name)
		}
	}
	if err := client.Remove(ctx, ids...); err != nil {
		return nil, err
	}
	networks, err := client.Networks(ctx, map[string]string{labLabel: l.o.Name})
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		if len(n.Containers) > 0 {
			return nil, fmt.Errorf("network %s still has containers that are not the lab's; disconnect them and run: meshwright destroy", n.Name)
		}
		if err := client.RemoveNetwork(ctx, n.ID); err != nil {
			return nil, err
		}
		swept.Networks = append(swept.Networks, n.Name)
	}
	return swept, nil
}

func ownedBy(c docker.Container, ownerDir string) bool {
	for _, m := range c.Mounts {
		if m.Destination == ownerMount && strings.TrimSuffix(m.Source, "/") == ownerDir {
			return true
		}
	}
	return false
}
