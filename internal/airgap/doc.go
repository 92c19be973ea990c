// Package airgap builds the airgap kit: everything a lab needs, made on this
// machine from package registries alone, where no container registry, no chart
// repository and no plugin download can be reached.
//
// The package has two halves. The engine (step.go, store.go, engine.go) runs a
// list of steps whose results are stored under a hash of what they were made
// from; it knows nothing of Kubernetes. The recipe (recipe*.go and the actions it
// uses) says what the steps are. Versions and checksums come from the lock in
// the repository's airgap directory, which is embedded in the executable.
package airgap
