// Package loadbalancer owns the addresses of services of type LoadBalancer in a kind
// cluster: MetalLB in layer 2 mode on the lab's Docker network, with an address pool
// that no other cluster uses.
package loadbalancer
