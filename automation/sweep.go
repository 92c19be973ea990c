package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/meshwright/meshwright/internal/docker"
)

// Marks of what belongs to a lab, made by the kind provider.
const (
	ownerMount = "/etc/meshwright"      // where every node has the lab's owner directory
	labLabel   = "dev.meshwright.lab"   // on networks and auxiliary containers: the lab's name
	ownerLabel = "dev.meshwright.owner" // beside it: the owner file's random id
)

// Swept names what a sweep removed.
type Swept struct {
	Containers []string `json:"containers,omitempty"`
	Networks   []string `json:"networks,omitempty"`
}

// sweepDocker removes the containers, with their volumes, and the networks
// that bear the lab's mark: the owner directory of this very lab mounted, or
// its owner's label. A name alone is no mark: another user's lab, or another
// state directory's, may have the same.
func sweepDocker(ctx context.Context, l *Lab) (*Swept, error) {
	swept := &Swept{}
	id, err := ownerID(l.ownerDir())
	if errors.Is(err, fs.ErrNotExist) {
		return swept, nil // nothing was ever made with Docker
	}
	if err != nil {
		return nil, err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := marked(ctx, client, l.ownerDir(), id)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		if err := client.Remove(ctx, c.ID); err != nil {
			return nil, err
		}
		swept.Containers = append(swept.Containers, c.Name)
	}
	networks, err := client.Networks(ctx, map[string]string{labLabel: l.o.Name, ownerLabel: id})
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		if len(n.Containers) > 0 {
			return nil, fmt.Errorf("network %s has containers that are not the lab's; disconnect them (docker network disconnect) and run: meshwright destroy%s", n.Name, l.Flags())
		}
		if err := client.RemoveNetwork(ctx, n.ID); err != nil {
			return nil, err
		}
		swept.Networks = append(swept.Networks, n.Name)
	}
	return swept, nil
}

// marked lists the lab's containers, running or not.
func marked(ctx context.Context, client *docker.Client, ownerDir, id string) ([]docker.Container, error) {
	nodes, err := client.Containers(ctx, docker.Filter{MountTarget: ownerMount})
	if err != nil {
		return nil, err
	}
	found, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{ownerLabel: id}})
	if err != nil {
		return nil, err
	}
	for _, c := range nodes {
		if hasMount(c, ownerDir) {
			found = append(found, c)
		}
	}
	return found, nil
}

// hasMount looks for the owner directory. Docker Desktop shows host paths under
// /host_mnt.
func hasMount(c docker.Container, ownerDir string) bool {
	for _, m := range c.Mounts {
		if m.Destination == ownerMount && strings.TrimPrefix(m.Source, "/host_mnt") == ownerDir {
			return true
		}
	}
	return false
}

// ownerID reads the random id that the kind provider gave the lab.
func ownerID(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "owner.json"))
	if err != nil {
		return "", err
	}
	var owner struct {
		ID string `json:"owner"`
	}
	if err := json.Unmarshal(data, &owner); err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	if owner.ID == "" {
		return "", fmt.Errorf("%s/owner.json names no owner", dir)
	}
	return owner.ID, nil
}
