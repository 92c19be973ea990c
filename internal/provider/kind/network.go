package kind

import (
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

func checkNetwork(news resource.PropertyMap) (plugin.CheckResponse, error) {
	var n network
	unknown, err := provider.Decode(news, &n)
	if err != nil {
		return plugin.CheckResponse{Failures: failures(err)}, nil
	}
	c := checker{unknown: unknown}
	c.need(n.Name != "", "name", "a network needs a name")
	c.need(n.Lab != "", "lab", "a network needs the name of the lab that it belongs to")
	subnet, err := netip.ParsePrefix(n.Subnet)
	c.need(err == nil && subnet == subnet.Masked() && subnet.Addr().Is4(), "subnet", "%q is not an IPv4 subnet such as 10.192.0.0/20", n.Subnet)
	if n.IPRange != "" && err == nil {
		ipRange, err := netip.ParsePrefix(n.IPRange)
		c.need(err == nil && subnet.Contains(ipRange.Addr()) && ipRange.Bits() >= subnet.Bits(), "ipRange",
			"%q is not a range within the subnet %s", n.IPRange, n.Subnet)
	}
	return plugin.CheckResponse{Properties: news, Failures: c.failures}, nil
}

// diffNetwork: Docker changes nothing of a network, so every change replaces
// it, and its address range must be free before the next one is made.
func diffNetwork(olds, news resource.PropertyMap) plugin.DiffResponse {
	d := provider.Diff(olds, news, func(resource.PropertyKey) bool { return true })
	d.DeleteBeforeReplace = true
	return d
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
