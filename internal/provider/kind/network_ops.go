package kind

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider"
)

// mtuOption is the driver option that a network takes over from Docker's default
// bridge, as kind does: behind a VPN or in a cloud it is often below 1500.
const mtuOption = "com.docker.network.driver.mtu"

func (t *twin) createNetwork(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	var n network
	unknown, err := provider.Decode(req.Properties, &n)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	outputs := req.Properties.Copy()
	outputs["gateway"] = provider.Unknown()
	gateway, err := n.gateway()
	if err == nil {
		outputs["gateway"] = resource.NewStringProperty(gateway)
	}
	if req.Preview {
		return plugin.CreateResponse{Properties: outputs}, nil
	}
	if len(unknown) > 0 || err != nil {
		return plugin.CreateResponse{}, fmt.Errorf("network %s: %s: %w", n.Name, strings.Join(unknown, ", "), errors.Join(errors.New("invalid inputs"), err))
	}
	d, o, err := t.owner(ctx, n.Lab)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	id, err := t.ensureNetwork(ctx, d, o, t.state(req.URN), n, gateway)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, nil
}

// ensureNetwork makes the network. One of ours that an interrupted run left is
// taken over when it is as wanted, and recreated otherwise. One of another state is
// refused.
func (t *twin) ensureNetwork(ctx context.Context, d daemon, o *mark.Owner, s State, n network, gateway string) (string, error) {
	found, err := findNetwork(ctx, d, n.Name)
	if err != nil {
		return "", err
	}
	if found != nil {
		if reason := o.OwnsNetwork(found); reason != nil {
			return "", fmt.Errorf("there is a Docker network %q that is not this lab's: %w; it was left as it is: "+
				"choose another name for the lab, or remove the network yourself: docker network rm %s", n.Name, reason, n.Name)
		}
		if err := s.Refuse(n.Lab, found.Labels); err != nil {
			return "", err
		}
		if sameAddresses(found, n, gateway) {
			return found.ID, nil
		}
		if err := t.removeNetwork(ctx, d, o, found); err != nil {
			return "", err
		}
	}
	spec := docker.NetworkSpec{Name: n.Name, Subnet: n.Subnet, IPRange: n.IPRange, Gateway: gateway, Labels: s.sign(o.Labels())}
	if bridge, err := d.Network(ctx, "bridge"); err == nil && bridge.Options[mtuOption] != "" {
		spec.Options = map[string]string{mtuOption: bridge.Options[mtuOption]}
	}
	id, err := d.CreateNetwork(ctx, spec)
	if errors.Is(err, docker.ErrConflict) {
		return "", fmt.Errorf("the addresses %s of network %s are in use by another Docker network (see: docker network ls): "+
			"choose others: pulumi config set meshwright:subnet CIDR: %w", n.Subnet, n.Name, err)
	}
	return id, err
}

func sameAddresses(found *docker.Network, n network, gateway string) bool {
	if len(found.IPAM.Config) != 1 {
		return false
	}
	c := found.IPAM.Config[0]
	return c.Subnet == n.Subnet && c.IPRange == n.IPRange && c.Gateway == gateway
}

// findNetwork returns the network of that very name or ID, or nil. Docker also
// answers to the beginning of an ID.
func findNetwork(ctx context.Context, d daemon, name string) (*docker.Network, error) {
	n, err := d.Network(ctx, name)
	if errors.Is(err, docker.ErrNotFound) || err == nil && n.Name != name && n.ID != name {
		return nil, nil
	}
	return n, err
}

func (t *twin) readNetwork(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	var known network
	if _, err := provider.Decode(req.Inputs, &known); err != nil {
		return plugin.ReadResponse{}, err
	}
	d, _, err := t.bound(ctx, known.Lab)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	found, err := findNetwork(ctx, d, string(req.ID))
	if err != nil || found == nil {
		return plugin.ReadResponse{}, err
	}
	lab := found.Labels[mark.LabLabel] // an import has no inputs
	_, o, err := t.bound(ctx, lab)
	if err == nil {
		err = owns(o, found)
	}
	if err != nil {
		return plugin.ReadResponse{}, fmt.Errorf("the Docker network %s is no network of a lab here: %w", req.ID, err)
	}
	n := network{Name: found.Name, Lab: lab}
	outputs := resource.PropertyMap{}
	if len(found.IPAM.Config) > 0 {
		c := found.IPAM.Config[0]
		n.Subnet, n.IPRange = c.Subnet, c.IPRange
		outputs["gateway"] = resource.NewStringProperty(c.Gateway)
	}
	inputs, err := provider.Encode(n)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	maps.Copy(outputs, inputs)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: resource.ID(found.ID), Inputs: inputs, Outputs: outputs}}, nil
}

func (t *twin) deleteNetwork(ctx context.Context, req plugin.DeleteRequest) (res plugin.DeleteResponse, err error) {
	var n network
	if _, err := provider.Decode(req.Inputs, &n); err != nil {
		return res, err
	}
	d, o, err := t.bound(ctx, n.Lab)
	if err != nil {
		return res, err
	}
	found, err := findNetwork(ctx, d, string(req.ID))
	if err != nil || found == nil {
		return res, err
	}
	if err := owns(o, found); err != nil {
		return res, fmt.Errorf("the Docker network %q is not removed: %w; if it is of no use: docker network rm %s", n.Name, err, n.Name)
	}
	return res, t.removeNetwork(ctx, d, o, found)
}

// owns says why a network is not the owner's, who may be nil.
func owns(o *mark.Owner, n *docker.Network) error {
	if o == nil {
		return mark.ErrNoOwner
	}
	return o.OwnsNetwork(n)
}

// removeNetwork removes one of our networks and first, with it, the nodes of
// ours on it: those that an interrupted create left, of which no state knows.
// Containers of others on it stop the removal before anything is changed.
func (t *twin) removeNetwork(ctx context.Context, d daemon, o *mark.Owner, n *docker.Network) error {
	on, err := containersOn(ctx, d, n)
	if err != nil {
		return err
	}
	own, others, err := o.Divide(ctx, d, on, n.Name)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		var names []string
		for _, other := range others {
			names = append(names, other.Name)
		}
		return fmt.Errorf("the Docker network %s has containers on it that are not this lab's: %s; disconnect them first: docker network disconnect %s NAME",
			n.Name, strings.Join(names, ", "), n.Name)
	}
	if err := removeNodes(ctx, d, own); err != nil {
		return err
	}
	return d.RemoveNetwork(ctx, n.ID)
}

// containersOn returns the containers of a network. One that was never started
// has the network's name but not yet its ID, and Docker lets the network go
// from under it.
func containersOn(ctx context.Context, d daemon, n *docker.Network) ([]docker.Container, error) {
	on, err := d.Containers(ctx, docker.Filter{Network: n.ID})
	if err != nil {
		return nil, err
	}
	named, err := d.Containers(ctx, docker.Filter{Network: n.Name})
	return union(on, named), err
}
