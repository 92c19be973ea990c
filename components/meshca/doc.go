// Package meshca owns the mesh's trust: one root, and an intermediate per control
// plane. Workloads of different clusters trust each other because their chains end
// at the same root; a control plane whose key leaks is replaced without touching
// the root.
//
// Keys are ECDSA P-256: Istio signs workload certificates with the kind of key its
// CA has, P-256 is as strong as RSA 3072, and making one takes no measurable time.
// Certificates are for ten years and are not renewed early, so that a preview is
// quiet; a lab does not live to see them expire. They carry no path-length
// constraint on the intermediates, because the TLS provider cannot express zero.
package meshca
