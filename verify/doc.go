// Package verify checks a running mesh and reports what it saw.
//
// It reaches clusters through package mesh, changes nothing but what a timed check
// deploys for itself, and does not depend on how the mesh was made: a mesh that this
// module did not deploy is checked in the same way.
//
// A check is data and a function in a file of its own; checks.go lists them. A check
// that cannot be carried out has failed: what is unknown is not good. A required check
// that needs a missing capability is skipped with a reason, and makes the verdict
// partial. What to do about a failure is data too, a Remedy; the caller turns it into
// its own commands.
package verify
