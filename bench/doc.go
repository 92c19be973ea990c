// Command bench measures how long it takes to create a verified two-cluster mesh. It
// reports the ratios between three arms that run on the same machine with the same
// artifacts:
//
//	A  the article's steps in sequence, with its command line tools
//	B  the same commands, in parallel where possible, with a node image that already
//	   contains the workload images
//	C  meshwright up
//
// Runs are interleaved, so that a temporarily slow machine affects all arms. Each run
// starts without a mesh and ends when v1 and v2 have answered in both clusters.
package main
