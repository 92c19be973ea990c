package mark

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

	"github.com/google/renameio/v2"

	"github.com/meshwright/meshwright/internal/docker"
)

const ownerFile = "owner.json"

// Docker is what is asked of the daemon: *docker.Client, or a fake in tests.
type Docker interface {
	Network(ctx context.Context, name string) (*docker.Network, error)
	Networks(ctx context.Context, labels map[string]string) ([]docker.Network, error)
	Container(ctx context.Context, name string) (*docker.Container, error)
	Containers(ctx context.Context, filter docker.Filter) ([]docker.Container, error)
	CopyFrom(ctx context.Context, container, path, hostPath string) error
}

// Owner is a lab as its Docker objects know it, and the daemon that has them.
type Owner struct {
	Lab    string        `json:"lab"`
	ID     string        `json:"owner"` // random, made with the file
	Daemon docker.Daemon `json:"daemon,omitzero"`

	Dir string `json:"-"` // of the file, on the host; mounted at OwnerMount
}

// ErrNoOwner says that a lab has no owner file, so that it owns nothing.
var ErrNoOwner = errors.New("this lab has no owner file")

// Read returns the owner in a lab's owner directory, or ErrNoOwner.
func Read(dir, lab string) (*Owner, error) {
	o := &Owner{Dir: dir}
	path := filepath.Join(dir, ownerFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoOwner
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, o); err != nil || o.ID == "" || o.Lab != lab {
		return nil, fmt.Errorf("%s is not the owner file of lab %q: move it away if you know that it is of no use", path, lab)
	}
	return o, nil
}

// Ensure returns the owner of a lab and makes its file if there is none, for objects on
// the daemon. Of two callers at once both get the same.
func Ensure(dir, lab string, daemon docker.Daemon) (*Owner, error) {
	o, err := Read(dir, lab)
	if !errors.Is(err, ErrNoOwner) {
		return o, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's owner directory: %w", err)
	}
	raw, err := json.Marshal(Owner{Lab: lab, ID: rand.Text(), Daemon: daemon})
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
	return Read(dir, lab)
}

// RefuseOther returns an *OtherDaemonError unless the daemon is the lab's. A lab of an
// earlier version has none on record: the one that has its network is.
func (o *Owner) RefuseOther(ctx context.Context, d Docker, asked docker.Daemon) error {
	if o.Daemon.Same(asked) {
		return nil
	}
	if o.Daemon.ID == "" {
		networks, err := o.Networks(ctx, d)
		if err != nil {
			return err
		}
		if len(networks) > 0 {
			o.Daemon = asked
			raw, err := json.Marshal(o)
			if err != nil {
				return err
			}
			return renameio.WriteFile(filepath.Join(o.Dir, ownerFile), append(raw, '\n'), 0o600)
		}
	}
	return &OtherDaemonError{Lab: o.Lab, Dir: filepath.Dir(o.Dir), Has: o.Daemon, Asked: asked}
}

// Labels are those of the lab's networks.
func (o *Owner) Labels() map[string]string {
	return map[string]string{LabLabel: o.Lab, OwnerLabel: o.ID}
}

// Networks are the lab's.
func (o *Owner) Networks(ctx context.Context, d Docker) ([]docker.Network, error) {
	return d.Networks(ctx, o.Labels())
}

// Nodes are the lab's, running or not, on any of its networks.
func (o *Owner) Nodes(ctx context.Context, d Docker) ([]docker.Container, error) {
	mounted, err := d.Containers(ctx, docker.Filter{MountTarget: OwnerMount})
	if err != nil {
		return nil, err
	}
	own, _, err := o.Divide(ctx, d, mounted, "")
	return own, err
}

// OwnsNetwork says why a network is not the lab's, or nil.
func (o *Owner) OwnsNetwork(n *docker.Network) error {
	if lab := n.Labels[LabLabel]; lab != o.Lab {
		if lab == "" {
			return errors.New("it was not made by meshwright")
		}
		return fmt.Errorf("it belongs to the lab %q", lab)
	}
	if n.Labels[OwnerLabel] != o.ID {
		return fmt.Errorf("it was made by another owner of the name %q (another user or state directory)", o.Lab)
	}
	return nil
}

// Stranger is a container that is not the lab's, and why.
type Stranger struct {
	Name   string
	Reason error
}

// Divide tells the lab's nodes on the named network, "" for any, from other containers.
// What was removed meanwhile is in neither. An error says that it could not tell.
func (o *Owner) Divide(ctx context.Context, d Docker, containers []docker.Container, network string) (own []docker.Container, others []Stranger, err error) {
	for _, c := range containers {
		reason, err := o.disowns(ctx, d, c, network)
		if err != nil {
			if _, gone := d.Container(ctx, c.ID); errors.Is(gone, docker.ErrNotFound) {
				continue
			}
			return nil, nil, fmt.Errorf("container %s: whether it is a node of the lab %q is unknown: %w", c.Name, o.Lab, err)
		}
		if reason != nil {
			others = append(others, Stranger{c.Name, reason})
		} else {
			own = append(own, c)
		}
	}
	return own, others, nil
}

// disowns says why a container is not a node of the lab's, or nil. An error that is no
// verdict comes as the second value.
func (o *Owner) disowns(ctx context.Context, d Docker, c docker.Container, network string) (reason, err error) {
	if !o.hasMount(c) {
		return errors.New("it does not have this lab's owner directory mounted at " + OwnerMount), nil
	}
	reason = fmt.Errorf("it is not on the network %s", network)
	if network == "" {
		reason = errors.New("it is on no network")
	}
	for name := range c.Networks {
		if network != "" && name != network {
			continue
		}
		if reason, err = o.disownsNetwork(ctx, d, c, name); err != nil {
			return nil, err
		}
		if reason == nil {
			return o.matchesContent(ctx, d, c)
		}
	}
	return reason, nil
}

func (o *Owner) disownsNetwork(ctx context.Context, d Docker, c docker.Container, name string) (reason, err error) {
	n, err := d.Network(ctx, name)
	switch {
	case errors.Is(err, docker.ErrNotFound):
		// Only a stopped container outlives its network.
		if c.State.Running {
			return fmt.Errorf("there is no network %s", name), nil
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	if reason := o.OwnsNetwork(n); reason != nil {
		return fmt.Errorf("its network %s is not this lab's: %w", name, reason), nil
	}
	return nil, nil
}

// hasMount looks for the owner directory among the container's mounts. Docker
// Desktop shows host paths under /host_mnt.
func (o *Owner) hasMount(c docker.Container) bool {
	return slices.ContainsFunc(c.Mounts, func(m docker.Mount) bool {
		return m.Destination == OwnerMount && m.Type == "bind" && !m.RW && strings.TrimPrefix(m.Source, "/host_mnt") == o.Dir
	})
}

// matchesContent compares the owner file at the mount's source as the daemon reads it,
// which may see another file system than this process.
func (o *Owner) matchesContent(ctx context.Context, d Docker, c docker.Container) (reason, err error) {
	dir, err := os.MkdirTemp("", "meshwright-owner-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, ownerFile)
	// Copying works on a stopped container too.
	err = d.CopyFrom(ctx, c.ID, OwnerMount+"/"+ownerFile, path)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, docker.ErrNoFile):
		return errors.New("it sees no owner file"), nil
	case err != nil:
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var seen Owner
	if err := json.Unmarshal(raw, &seen); err != nil || seen.ID != o.ID || seen.Lab != o.Lab {
		return errors.New("its owner file is another one"), nil
	}
	return nil, nil
}
