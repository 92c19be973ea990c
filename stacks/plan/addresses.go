package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// MaxClusters is how many clusters the default pod and service subnets are for.
const MaxClusters = 64

// poolBits is the prefix length of one cluster's slice of load-balancer addresses.
const poolBits = 27

// AddressRange is an inclusive range of addresses.
type AddressRange struct{ First, Last netip.Addr }

// String is MetalLB's notation, "first-last".
func (r AddressRange) String() string { return fmt.Sprintf("%s-%s", r.First, r.Last) }

// Contains says whether the address is in the range.
func (r AddressRange) Contains(a netip.Addr) bool {
	return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// defaultPodSubnet is 10.10.0.0/16 for the first cluster, 10.11.0.0/16 for the next.
func defaultPodSubnet(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(10 + i), 0, 0}), 16)
}

// defaultServiceSubnet is 10.110.0.0/16 for the first cluster, and so on.
func defaultServiceSubnet(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(110 + i), 0, 0}), 16)
}

// halves splits a prefix in two.
func halves(p netip.Prefix) (lower, upper netip.Prefix) {
	bits := p.Bits() + 1
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(offset(p.Addr(), 1<<(32-bits)), bits)
}

// pools is how many clusters' slices the upper half of a subnet holds.
func pools(subnet netip.Prefix) int { return 1 << (poolBits - subnet.Bits() - 1) }

// poolSlice is the i-th cluster's slice of the subnet's upper half, without its
// first and last address: the last of the last slice is the network's broadcast
// address, and leaving out both from each keeps the slices alike.
func poolSlice(subnet netip.Prefix, i int) AddressRange {
	const size = 1 << (32 - poolBits)
	_, upper := halves(subnet)
	base := offset(upper.Addr(), uint32(i)*size) //nolint:gosec // i < MaxClusters
	return AddressRange{First: base.Next(), Last: offset(base, size-2)}
}

func offset(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	var out [4]byte
	binary.BigEndian.PutUint32(out[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(out)
}

// prefixOr parses text that validation has passed; empty text means the default.
func prefixOr(text string, otherwise netip.Prefix) netip.Prefix {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p
	}
	return otherwise
}
