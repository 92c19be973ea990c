// Package traffic is the article's endless curl, counted: it calls the
// workload from a client pod, or through an ingress, until it is told to stop,
// and counts who answered.
package traffic
