// Command bench measures how long a verified two-cluster mesh takes, as ratios
// between three ways of getting it on the same machine, in one run, from the
// same artifacts:
//
//	A  the article's steps, one after another, by command line
//	B  the same command lines, in parallel where they can be, on a node image
//	   that already holds the workload images
//	C  meshwright up
//
// Runs are interleaved, so that a slow quarter of an hour hits all three. Each
// starts from nothing and ends when v1 and v2 have answered in both clusters.
package main
