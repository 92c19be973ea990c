// Package meshca owns the trust of the mesh: one root CA, and an intermediate CA for each
// control plane. Workloads of different clusters trust each other because their
// certificate chains end at the same root. A control plane whose key leaks gets a new
// intermediate without a change of the root.
//
// Keys are ECDSA P-256: Istio signs workload certificates with its CA's type of key,
// P-256 is as strong as RSA 3072, and generating a key takes no measurable time.
// Certificates are valid for ten years and are not renewed early, so that previews show
// no changes. Intermediates have no path length constraint, because the TLS provider
// cannot express zero.
package meshca
