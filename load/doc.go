// Package load calls a URL at a constant rate and records every request: from a
// pod of the mesh, or from this machine. It is what timed checks and drills hold
// against a mesh while something in it breaks.
//
// The load is open: a request is sent when its time has come, however long the
// answers before it take, so that a stall of the mesh shows up as the requests
// that it hurt. Vegeta does the sending, as a command in the pod and as a library
// here. What the records mean for a mesh is package verify's business.
package load
