package recovery

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
)

// Mark tells a lab's Docker objects from all others: its owner directory, which every
// node has mounted, and the id in it, which every network has as a label. The name alone
// does not tell them apart: a lab of another user, or of another state directory, may
// have the same.
type Mark struct {
	Lab string // its name
	Dir string // the owner directory on this machine
}

// Owner reads the random id that the kind provider gave the lab. It returns
// fs.ErrNotExist when nothing was ever created with Docker.
func (m Mark) Owner() (string, error) {
	file := filepath.Join(m.Dir, "owner.json")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var owner struct {
		ID string `json:"owner"`
	}
	if err := json.Unmarshal(data, &owner); err != nil {
		return "", fmt.Errorf("%s: %w", m.Dir, err)
	}
	if owner.ID == "" {
		return "", fmt.Errorf("%s names no owner", file)
	}
	return owner.ID, nil
}

// Networks are the lab's.
func (m Mark) Networks(ctx context.Context, client *docker.Client) ([]docker.Network, error) {
	id, err := m.Owner()
	if err != nil {
		return nil, err
	}
	return client.Networks(ctx, map[string]string{mark.LabLabel: m.Lab, mark.OwnerLabel: id})
}

// Nodes are the lab's, running or not: the containers with its owner directory.
func (m Mark) Nodes(ctx context.Context, client *docker.Client) ([]docker.Container, error) {
	all, err := client.Containers(ctx, docker.Filter{MountTarget: mark.OwnerMount})
	ours := func(mount docker.Mount) bool { // Docker Desktop shows host paths under /host_mnt
		return mount.Destination == mark.OwnerMount && strings.TrimPrefix(mount.Source, "/host_mnt") == m.Dir
	}
	return slices.DeleteFunc(all, func(c docker.Container) bool { return !slices.ContainsFunc(c.Mounts, ours) }), err
}
