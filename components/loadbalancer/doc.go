// Package loadbalancer owns how services of type LoadBalancer get addresses in a
// kind cluster: MetalLB, announcing on layer 2 of the lab's Docker network from a
// pool that belongs to this cluster alone.
package loadbalancer
