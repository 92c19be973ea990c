package verify

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/meshwright/meshwright/mesh"
)

// gatewayPortLabel names the port of a Service with mesh.NetworkLabel where it is not mesh.CrossNetworkPort
// (istio.io/api/label, NetworkingGatewayPort).
const gatewayPortLabel = "networking.istio.io/gatewayPort"

// findGateways reads which Services istiod takes for gateways to the networks, beside
// those that are planned. One that names another network than its cluster's is a finding.
func (m *session) findGateways(ctx context.Context, out *outcome) {
	found := map[string][]string{}
	var mu sync.Mutex
	m.each(func(c *mesh.Member) {
		services, err := c.Services(ctx, "", mesh.NetworkLabel)
		if err != nil {
			out.add(unreachable(c, "", err))
			return
		}
		for _, s := range services {
			if named := s.Labels[mesh.NetworkLabel]; named != c.Network {
				out.add(Finding{
					Reason: ReasonGatewayNetworkWrong, Cluster: c.Name, Object: "service " + s.Namespace + "/" + s.Name,
					Message: fmt.Sprintf("its label %s is %s, and %s is on %s", mesh.NetworkLabel, named, c.Name, c.Network),
				}, serviceEvidence(c, &s))
				continue
			}
			port := s.Labels[gatewayPortLabel]
			if port == "" {
				port = strconv.Itoa(mesh.CrossNetworkPort)
			}
			mu.Lock()
			for _, address := range slices.Concat(externalAddresses(&s), s.Spec.ExternalIPs) {
				found[c.Network] = append(found[c.Network], net.JoinHostPort(address, port))
			}
			mu.Unlock()
		}
	})
	m.gateways = found
}

// gatewaysOfNetwork returns the cross-network addresses of a network: the planned ones,
// then what else findGateways found, sorted.
func (m *session) gatewaysOfNetwork(network string) []string {
	var out []string
	for _, c := range m.members {
		if c.Network == network && c.EastWestAddress != "" {
			out = append(out, net.JoinHostPort(c.EastWestAddress, strconv.Itoa(mesh.CrossNetworkPort)))
		}
	}
	more := slices.Clone(m.gateways[network])
	slices.Sort(more)
	for _, address := range more {
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	return out
}
