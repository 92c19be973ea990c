package kind

import (
	"context"
	"net/netip"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
)

// network holds the inputs of meshwright:kind:Network. Its outputs are these
// and "gateway"; its resource ID is Docker's ID of the network.
type network struct {
	Name    string `json:"name"`
	Lab     string `json:"lab"`
	Subnet  string `json:"subnet"`            // CIDR
	IPRange string `json:"ipRange,omitempty"` // CIDR within Subnet from which nodes get addresses; empty: all of it
}

func checkNetwork(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	var n network
	return provider.CheckInputs(req.News, &n, func(c *provider.Checker) {
		c.Need(n.Name != "", "name", "a network needs a name")
		c.Need(n.Lab != "", "lab", "a network needs the name of the lab that it belongs to")
		subnet, err := netip.ParsePrefix(n.Subnet)
		c.Need(err == nil && subnet == subnet.Masked() && subnet.Addr().Is4(), "subnet", "%q is not an IPv4 subnet such as 10.192.0.0/20", n.Subnet)
		if n.IPRange != "" && err == nil {
			ipRange, err := netip.ParsePrefix(n.IPRange)
			c.Need(err == nil && subnet.Contains(ipRange.Addr()) && ipRange.Bits() >= subnet.Bits(), "ipRange",
				"%q is not a range within the subnet %s", n.IPRange, n.Subnet)
		}
	}), nil
}

// diffNetwork replaces the network at every change, since Docker changes nothing of a
// network. The old one goes first: its address range must be free.
func diffNetwork(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	d := provider.Diff(req.OldInputs, req.NewInputs, func(resource.PropertyKey) bool { return true })
	d.DeleteBeforeReplace = true
	return d, nil
}

// gateway is the first address of the subnet, which Docker would take itself
// only where no range is set.
func (n *network) gateway() (string, error) {
	subnet, err := netip.ParsePrefix(n.Subnet)
	if err != nil {
		return "", err
	}
	return subnet.Masked().Addr().Next().String(), nil
}
