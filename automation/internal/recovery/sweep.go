package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
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
	containers, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{mark.OwnerLabel: id}})
	if err != nil {
		return nil, err
	}
	nodes, err := l.nodes(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, c := range append(containers, nodes...) {
		if err := client.Remove(ctx, c.ID); err != nil {
			return nil, err
		}
		swept.Containers = append(swept.Containers, c.Name)
	}
	networks, err := client.Networks(ctx, map[string]string{mark.LabLabel: l.o.Name, mark.OwnerLabel: id})
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

// nodes are the lab's, running or not: the containers with its owner directory.
func (l *Lab) nodes(ctx context.Context, client *docker.Client) ([]docker.Container, error) {
	all, err := client.Containers(ctx, docker.Filter{MountTarget: mark.OwnerMount})
	ours := func(m docker.Mount) bool { // Docker Desktop shows host paths under /host_mnt
		return m.Destination == mark.OwnerMount && strings.TrimPrefix(m.Source, "/host_mnt") == l.ownerDir()
	}
	return slices.DeleteFunc(all, func(c docker.Container) bool { return !slices.ContainsFunc(c.Mounts, ours) }), err
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
