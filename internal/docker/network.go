package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// NetworkSpec describes a bridge network to create.
type NetworkSpec struct {
	Name    string
	Subnet  string            // CIDR, "10.200.0.0/20"
	IPRange string            // CIDR within Subnet from which containers get addresses; empty means all of it
	Gateway string            // empty means the first address
	Labels  map[string]string // found again by Networks
	Options map[string]string // driver options, such as com.docker.network.driver.mtu
}

// Network is a network as the daemon describes it.
type Network struct {
	ID      string `json:"Id"`
	Name    string
	Driver  string
	Labels  map[string]string
	Options map[string]string
	IPAM    struct {
		Config []struct{ Subnet, IPRange, Gateway string }
	}
	// Containers holds the running containers attached to it, by container ID.
	Containers map[string]struct{ Name, IPv4Address, IPv6Address, MacAddress string }
}

// CreateNetwork creates a bridge network and returns its ID. A name or an
// address range that is taken is ErrConflict: the daemon itself would accept a
// second network of the same name when two are created at once.
func (c *Client) CreateNetwork(ctx context.Context, spec NetworkSpec) (string, error) {
	args := []string{"network", "create", "--driver", "bridge"}
	if spec.Subnet != "" {
		args = append(args, "--subnet", spec.Subnet)
	}
	if spec.IPRange != "" {
		args = append(args, "--ip-range", spec.IPRange)
	}
	if spec.Gateway != "" {
		args = append(args, "--gateway", spec.Gateway)
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Labels)) {
		args = append(args, "--label", key+"="+spec.Labels[key])
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Options)) {
		args = append(args, "--opt", key+"="+spec.Options[key])
	}
	ids, err := c.lines(ctx, append(args, spec.Name)...)
	if err != nil {
		return "", err
	}
	if len(ids) != 1 {
		return "", fmt.Errorf("docker network create %s: expected one id, got %q", spec.Name, ids)
	}
	return ids[0], nil
}

// Network describes one network by name or ID, or fails with ErrNotFound.
func (c *Client) Network(ctx context.Context, name string) (*Network, error) {
	var found []Network
	if err := c.query(ctx, &found, "network", "inspect", name); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("network %s: expected one, found %d", name, len(found))
	}
	return &found[0], nil
}

// Networks lists the networks that carry every label; an empty value matches
// any. No labels means all networks.
func (c *Client) Networks(ctx context.Context, labels map[string]string) ([]Network, error) {
	args := append([]string{"network", "ls", "--no-trunc", "--format", "{{.ID}}"}, labelFilters(labels)...)
	ids, err := c.lines(ctx, args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return queryMany[Network](ctx, c, []string{"network", "inspect"}, ids)
}

// RemoveNetwork removes a network; one that is gone already is no error. While
// containers are attached it is ErrConflict.
func (c *Client) RemoveNetwork(ctx context.Context, name string) error {
	return absentIsFine(c.do(ctx, "network", "rm", name))
}

// do runs a command for its effect alone.
func (c *Client) do(ctx context.Context, args ...string) error {
	_, err := c.Run(ctx, args...)
	return err
}

func absentIsFine(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// labelFilters turns labels into `--filter label=...` arguments, in a stable order.
func labelFilters(labels map[string]string) []string {
	var args []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		filter := "label=" + key
		if value := labels[key]; value != "" {
			filter += "=" + value
		}
		args = append(args, "--filter", filter)
	}
	return args
}
