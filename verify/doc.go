// Package verify checks a running mesh and reports what it saw.
//
// It reaches clusters by their API servers alone (package probe), changes
// nothing, and knows nothing of how the mesh was made: a mesh that this module
// did not deploy is checked in the same way.
//
// A check is data and a function, listed in checks.go. A check that cannot be
// carried out has failed: what is unknown is not good. A required check that
// does not apply is skipped with a reason, and makes the verdict partial.
package verify
