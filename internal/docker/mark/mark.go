// Package mark has the labels and mounts by which a lab's Docker objects are recognised,
// judges by them which are a lab's, and binds a lab to one daemon.
package mark

const (
	// OwnerMount is where every node has its lab's owner directory, read-only.
	OwnerMount = "/etc/meshwright"
	// LabLabel is on a lab's network: the lab's name.
	LabLabel = "dev.meshwright.lab"
	// OwnerLabel is beside it: the random id in the lab's owner file.
	OwnerLabel = "dev.meshwright.owner"
)
