package loadbalancer

// Namespace is where the load balancer of a cluster runs.
const Namespace = namespace
