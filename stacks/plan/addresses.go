package plan

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
)

// MaxClusters is the number of clusters that the default subnets have room for.
const MaxClusters = 64

// poolBits is the prefix length of one cluster's slice of load-balancer addresses.
const poolBits = 27

// AddressRange is an inclusive range of addresses.
type AddressRange struct{ First, Last netip.Addr }

// String is MetalLB's notation, "first-last".
func (r AddressRange) String() string { return fmt.Sprintf("%s-%s", r.First, r.Last) }

// Contains reports whether the address is in the range.
func (r AddressRange) Contains(a netip.Addr) bool {
	return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// labSubnet is the configured subnet, or one of the 512 /20s of 10.192.0.0/11
// chosen by the lab's name: two labs on one machine seldom collide, and a lab has the
// same subnet on every machine.
func labSubnet(lab, configured string) netip.Prefix {
	h := fnv.New32a()
	_, _ = h.Write([]byte(lab)) // never fails, by its documentation
	n := h.Sum32() % 512
	return prefixOr(configured, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(192 + n/16), byte(n % 16 * 16), 0}), 20))
}

// Slots are the clusters' parts of the address plan, by name: a cluster's ranges follow
// from its slot. A lab's state records them, so that a cluster keeps its addresses
// whichever clusters are listed beside it.
type Slots = map[string]int

// Names are the names of the clusters, in their order.
func (c *Config) Names() []string {
	var names []string
	for _, cluster := range c.Clusters {
		names = append(names, cluster.Name)
	}
	return names
}

// Capacity is the number of slots. c is valid.
func (c *Config) Capacity() int { return min(MaxClusters, pools(labSubnet("", c.Subnet))) }

// defaultPodSubnet is 10.10.0.0/16 for the first slot, 10.11.0.0/16 for the next.
func defaultPodSubnet(slot int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(10 + slot), 0, 0}), 16)
}

// defaultServiceSubnet is 10.110.0.0/16 for the first slot, and so on.
func defaultServiceSubnet(slot int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(110 + slot), 0, 0}), 16)
}

// halves splits a prefix in two.
func halves(p netip.Prefix) (lower, upper netip.Prefix) {
	bits := p.Bits() + 1
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(offset(p.Addr(), 1<<(32-bits)), bits)
}

// pools is the number of slices in the upper half of a subnet.
func pools(subnet netip.Prefix) int { return 1 << (poolBits - subnet.Bits() - 1) }

// poolSlice is a slot's slice of the subnet's upper half, without its first
// and last address: the last address of the last slice is the network's broadcast
// address, and all slices have the same size.
func poolSlice(subnet netip.Prefix, slot int) AddressRange {
	const size = 1 << (32 - poolBits)
	_, upper := halves(subnet)
	base := offset(upper.Addr(), uint32(slot)*size) //nolint:gosec // slot < MaxClusters
	return AddressRange{First: base.Next(), Last: offset(base, size-2)}
}

func offset(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	var out [4]byte
	binary.BigEndian.PutUint32(out[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(out)
}

// prefixOr parses text that is valid or empty. Empty text means the default.
func prefixOr(text string, otherwise netip.Prefix) netip.Prefix {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p
	}
	return otherwise
}
