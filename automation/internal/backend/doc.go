// Package backend reads the state that Pulumi keeps of a stack. It owns what the
// driver looks at in it, the operations and locks that a killed engine left there,
// and the question whether a lab belongs to this state or to another. Only the engine
// changes resources in a state.
package backend
