// Package drill measures what a fault costs the traffic of a mesh. A drill is data:
// the question, what it needs, the faults of package fault that it can inject, its
// phases, its load and its budget. One engine runs any of them: it deploys a workload,
// makes an open-loop load with package load, injects the fault and restores it, each
// at its time, and reports what every load generator saw.
//
// Whether a proxy knows the workload is not judged here: the caller passes functions
// that do, as package verify has them.
package drill
