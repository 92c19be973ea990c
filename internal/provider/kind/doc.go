// Package kind is the meshwright resource provider: kind clusters
// (meshwright:kind:Cluster) and the Docker networks that they sit on
// (meshwright:kind:Network).
//
// # Whose is it
//
// Nothing is changed or removed because of its name alone. A network is a lab's
// by its labels. A node container is a lab's when it has the lab's owner
// directory mounted read-only at /etc/meshwright, the file in there is the
// lab's owner file, and it sits on the lab's network. kind cannot label
// containers; a mount is visible in `docker inspect` from the moment a
// container exists, so a half-made cluster is recognised too: the next create
// removes it first, and the removal of its network removes it.
//
// # Where kind runs
//
// kind's library takes no context and reads its Docker network from the process
// environment. So a create runs in a child process, in a process group of its
// own, which ends with us and is killed on cancellation.
package kind
