// Package load calls a URL at a constant rate and records every request: from a
// pod of the mesh, or from this machine. Checks and drills use it to load a mesh
// while something in it breaks.
//
// The load is open: a request is sent when it is due, however long the answers before
// it take, so that a stall of the mesh shows up as the requests that it hurt. Vegeta
// sends them, as a command in the pod and as a library on this machine. A Source sends;
// a Generator is a source with a workload to call; Drive runs several generators at
// once and returns their Traces. What the records mean for a mesh is the business of
// packages drill and verify.
package load
