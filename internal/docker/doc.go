// Package docker talks to one Docker daemon through the docker command line. kind needs
// that command too, so both use the same daemon, contexts and credentials. The package
// owns finding the daemon and a small set of typed requests; it knows nothing of labs,
// clusters or kind.
//
// Every request takes a context. When the context ends, the command is asked to
// stop and the context's error is returned. A request that fails returns a
// *CommandError with the arguments and what the command wrote to stderr;
// errors.Is recognises ErrNotFound, ErrConflict and ErrUnreachable in it.
//
//	client, err := docker.Find(ctx)
//	nodes, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{"io.x-k8s.kind.cluster": "dev-cluster1"}})
//	out, err := client.Output(ctx, nodes[0].ID, "crictl", "ps")
package docker
