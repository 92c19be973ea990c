package kind

import (
	"context"
	"crypto/rand"
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

const ownerFile = "owner.json"

// owner is a lab as its Docker objects know it.
type owner struct {
	Lab string `json:"lab"`
	ID  string `json:"owner"` // random, made with the file

	dir string // on the host; mounted at mark.OwnerMount
}

// errNoOwner says that a lab has no owner file, so that it owns nothing.
var errNoOwner = errors.New("this lab has no owner file")

// errGone says that a container was removed while it was inspected.
var errGone = errors.New("the container is gone")

// readOwner returns the owner in a lab's directory, or errNoOwner.
func readOwner(labDir, lab string) (*owner, error) {
	o := &owner{dir: filepath.Join(labDir, "owner")}
	path := filepath.Join(o.dir, ownerFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoOwner
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, o); err != nil || o.ID == "" || o.Lab != lab {
		return nil, fmt.Errorf("%s is not the owner file of lab %q: move it away if you know that it is of no use", path, lab)
	}
	return o, nil
}

// ensureOwner returns the owner of a lab and makes its file if there is none.
// Of two callers at once both get the same.
func ensureOwner(labDir, lab string) (*owner, error) {
	o, err := readOwner(labDir, lab)
	if !errors.Is(err, errNoOwner) {
		return o, err
	}
	dir := filepath.Join(labDir, "owner")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's owner directory: %w", err)
	}
	raw, err := json.Marshal(owner{Lab: lab, ID: rand.Text()})
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(dir, ".owner-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(raw, '\n'))
	if err := errors.Join(err, tmp.Close()); err != nil {
		return nil, err
	}
	// A link fails where a rename would replace what another has just made.
	if err := os.Link(tmp.Name(), filepath.Join(dir, ownerFile)); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readOwner(labDir, lab)
}

func (o *owner) labels() map[string]string {
	return map[string]string{mark.LabLabel: o.Lab, mark.OwnerLabel: o.ID}
}

// ownsNetwork says why a network is not the lab's, or nil.
func (o *owner) ownsNetwork(n *docker.Network) error {
	if lab := n.Labels[mark.LabLabel]; lab != o.Lab {
		if lab == "" {
			return errors.New("it was not made by meshwright")
		}
		return fmt.Errorf("it belongs to the lab %q", lab)
	}
	if n.Labels[mark.OwnerLabel] != o.ID {
		return fmt.Errorf("it was made by another owner of the name %q (another user or state directory)", o.Lab)
	}
	return nil
}

// ownsNode says why a container is not a node of the lab's on the named
// network, or nil. An error that is no verdict comes as the second value; it is
// errGone when there is nothing left to judge.
func (o *owner) ownsNode(ctx context.Context, d daemon, c docker.Container, network string) (reason, err error) {
	if !o.hasMount(c) {
		return errors.New("it does not have this lab's owner directory mounted at " + mark.OwnerMount), nil
	}
	if _, ok := c.Networks[network]; !ok {
		return fmt.Errorf("it is not on the network %s", network), nil
	}
	n, err := d.Network(ctx, network)
	switch {
	case errors.Is(err, docker.ErrNotFound):
		// Only a stopped container outlives its network.
		if c.State.Running {
			return fmt.Errorf("there is no network %s", network), nil
		}
	case err != nil:
		return nil, err
	default:
		if reason := o.ownsNetwork(n); reason != nil {
			return fmt.Errorf("its network %s is not this lab's: %w", network, reason), nil
		}
	}
	return o.matchesContent(ctx, d, c)
}

// stranger is a container that is not the lab's, and why.
type stranger struct {
	name   string
	reason error
}

// divide tells the lab's nodes on the named network from other containers. What was
// removed meanwhile is in neither.
func (o *owner) divide(ctx context.Context, d daemon, containers []docker.Container, network string) (own []docker.Container, others []stranger, err error) {
	for _, c := range containers {
		switch reason, err := o.ownsNode(ctx, d, c, network); {
		case errors.Is(err, errGone):
		case err != nil:
			return nil, nil, err
		case reason != nil:
			others = append(others, stranger{c.Name, reason})
		default:
			own = append(own, c)
		}
	}
	return own, others, nil
}

// hasMount looks for the owner directory among the container's mounts. Docker
// Desktop shows host paths under /host_mnt.
func (o *owner) hasMount(c docker.Container) bool {
	return slices.ContainsFunc(c.Mounts, func(m docker.Mount) bool {
		return m.Destination == mark.OwnerMount && m.Type == "bind" && !m.RW && strings.TrimPrefix(m.Source, "/host_mnt") == o.dir
	})
}

// matchesContent compares the owner file as the container sees it, since a recreated
// directory has the same path.
func (o *owner) matchesContent(ctx context.Context, d daemon, c docker.Container) (reason, err error) {
	dir, err := os.MkdirTemp("", "meshwright-owner-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, ownerFile)
	// Copying works on a stopped container too.
	if err := d.CopyFrom(ctx, c.ID, mark.OwnerMount+"/"+ownerFile, path); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, docker.ErrNotFound) { // an interrupted run's removal was still under way
			return nil, errGone
		}
		return fmt.Errorf("its owner file cannot be read: %w", err), nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var seen owner
	if err := json.Unmarshal(raw, &seen); err != nil || seen.ID != o.ID || seen.Lab != o.Lab {
		return errors.New("its owner file is another one"), nil
	}
	return nil, nil
}
