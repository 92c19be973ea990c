package docker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
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
	for _, option := range [][]string{{"--subnet", spec.Subnet}, {"--ip-range", spec.IPRange}, {"--gateway", spec.Gateway}} {
		if option[1] != "" {
			args = append(args, option...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Labels)) {
		args = append(args, "--label", key+"="+spec.Labels[key])
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Options)) {
		args = append(args, "--opt", key+"="+spec.Options[key])
	}
	id, err := c.Run(ctx, append(args, spec.Name)...)
	return strings.TrimSpace(string(id)), err
}

// Network describes one network by name or ID, or fails with ErrNotFound.
func (c *Client) Network(ctx context.Context, name string) (*Network, error) {
	return inspect[Network](ctx, c, "network", name)
}

// Networks lists the networks that carry every label; an empty value matches
// any. No labels means all networks.
func (c *Client) Networks(ctx context.Context, labels map[string]string) ([]Network, error) {
	return list[Network](ctx, c, "network", labelFilters(labels)...)
}

// RemoveNetwork removes a network. It succeeds when there is none, and fails with
// ErrConflict while containers are attached.
func (c *Client) RemoveNetwork(ctx context.Context, name string) error {
	return absentIsFine(c.do(ctx, "network", "rm", name))
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
