package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filter chooses containers. Conditions that are set must all hold.
type Filter struct {
	Labels      map[string]string // an empty value matches any
	Network     string            // name or ID of a network that the container is attached to
	MountTarget string            // path inside the container at which something is mounted
	Running     bool              // leave out those that are stopped
}

// Container is a container as the daemon describes it.
type Container struct {
	ID       string
	Name     string // without the leading slash
	Image    string // as named at creation
	ImageID  string
	Created  time.Time
	Labels   map[string]string
	State    State
	Mounts   []Mount
	Networks map[string]Endpoint // by network name
	Ports    map[string][]Port   // published ports, by "6443/tcp"
}

// State says whether a container runs.
type State struct {
	Status   string // created, running, paused, restarting, removing, exited, dead
	Running  bool
	Pid      int // on the daemon's host; 0 when not running
	ExitCode int
}

// Mount is something mounted into a container.
type Mount struct {
	Type        string // bind, volume, tmpfs
	Name        string // a volume's name
	Source      string
	Destination string
	RW          bool
}

// Endpoint is a container's attachment to a network.
type Endpoint struct {
	NetworkID string
	IPAddress string // empty when not running
}

// Port is an address of the host at which a container's port is published.
type Port struct{ HostIP, HostPort string }

// Container describes one container by name or ID, or fails with ErrNotFound.
func (c *Client) Container(ctx context.Context, name string) (*Container, error) {
	found, err := inspect[inspected](ctx, c, "container", name)
	if err != nil {
		return nil, err
	}
	container := found.container()
	return &container, nil
}

// Containers lists the containers that the filter chooses, stopped ones
// included, in order of name. One that disappears meanwhile is left out.
func (c *Client) Containers(ctx context.Context, filter Filter) ([]Container, error) {
	args := labelFilters(filter.Labels)
	if !filter.Running {
		args = append(args, "--all")
	}
	if filter.Network != "" {
		args = append(args, "--filter", "network="+filter.Network)
	}
	if filter.MountTarget != "" {
		args = append(args, "--filter", "volume="+filter.MountTarget)
	}
	found, err := list[inspected](ctx, c, "container", args...)
	if err != nil {
		return nil, err
	}
	var containers []Container
	for _, i := range found {
		containers = append(containers, i.container())
	}
	slices.SortFunc(containers, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return containers, nil
}

// NameTaken reports whether a container has the name, also one that the daemon is still
// creating and does not list yet. It asks for a container of an existing image with an
// option that no daemon knows: the daemon checks the name before it refuses the option,
// and creates nothing.
func (c *Client) NameTaken(ctx context.Context, name, image string) (bool, error) {
	err := c.do(ctx, "container", "create", "--pull", "never", "--name", name, "--security-opt", "meshwright=asks", image, "true")
	var refused *CommandError
	switch {
	case errors.Is(err, ErrConflict):
		return true, nil
	case errors.As(err, &refused) && strings.Contains(refused.Stderr, "invalid --security-opt"):
		return false, nil
	case err == nil:
		return false, errors.Join(errors.New("the daemon accepted an option that does not exist"), c.Remove(ctx, name))
	default:
		return false, err
	}
}

// ExecOptions are the streams of a command in a container.
type ExecOptions struct {
	Stdin          io.Reader // nil means none
	Stdout, Stderr io.Writer // nil discards; the end of stderr is kept for the error
}

// Exec runs a command in a running container and waits for it. When ctx ends
// the call returns, but Docker leaves the command in the container running.
func (c *Client) Exec(ctx context.Context, container string, o ExecOptions, argv ...string) error {
	args := []string{"exec"}
	if o.Stdin != nil {
		args = append(args, "--interactive")
	}
	args = append(append(args, container), argv...)
	return c.stream(ctx, o.Stdin, o.Stdout, o.Stderr, args...)
}

// Output runs a command in a running container and returns its stdout.
func (c *Client) Output(ctx context.Context, container string, argv ...string) ([]byte, error) {
	var stdout bytes.Buffer
	err := c.Exec(ctx, container, ExecOptions{Stdout: &stdout}, argv...)
	return stdout.Bytes(), err
}

// CopyFrom copies a path out of a container, running or not, to a host path.
func (c *Client) CopyFrom(ctx context.Context, container, path, hostPath string) error {
	return c.do(ctx, "cp", container+":"+path, hostPath)
}

// Start starts a stopped container; one that runs is left alone.
func (c *Client) Start(ctx context.Context, container string) error {
	return c.do(ctx, "container", "start", container)
}

// Stop asks a container to stop and kills it after the grace time, in whole seconds.
func (c *Client) Stop(ctx context.Context, container string, grace time.Duration) error {
	return c.do(ctx, "container", "stop", "--time", strconv.Itoa(int(grace.Round(time.Second)/time.Second)), container)
}

// Remove kills and removes containers with their anonymous volumes. It succeeds for
// containers that do not exist.
func (c *Client) Remove(ctx context.Context, containers ...string) error {
	var errs []error
	// One by one: for a batch the command does not tell which were absent.
	for _, container := range containers {
		errs = append(errs, absentIsFine(c.do(ctx, "container", "rm", "--force", "--volumes", container)))
	}
	return errors.Join(errs...)
}

// inspected is the daemon's own form of a container.
type inspected struct {
	ID      string `json:"Id"`
	Name    string
	Image   string
	Created time.Time
	State   State
	Mounts  []Mount
	Config  struct {
		Image  string
		Labels map[string]string
	}
	NetworkSettings struct {
		Networks map[string]Endpoint
		Ports    map[string][]struct {
			HostIP   string `json:"HostIp"`
			HostPort string
		}
	}
}

func (i inspected) container() Container {
	container := Container{
		ID: i.ID, Name: strings.TrimPrefix(i.Name, "/"), Image: i.Config.Image, ImageID: i.Image,
		Created: i.Created, Labels: maps.Clone(i.Config.Labels), State: i.State,
		Mounts: i.Mounts, Networks: i.NetworkSettings.Networks, Ports: map[string][]Port{},
	}
	for port, bindings := range i.NetworkSettings.Ports {
		for _, b := range bindings {
			container.Ports[port] = append(container.Ports[port], Port{HostIP: b.HostIP, HostPort: b.HostPort})
		}
	}
	return container
}
