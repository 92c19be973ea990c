// Package fault breaks a running mesh on purpose, one thing at a time, and
// puts it right again. Each fault declares which check of package verify goes
// red for which reason, and that the others stay green: the matrix of faults
// and checks, which Run plays on a live mesh.
//
// Faults change the mesh. Never point them at one that serves anybody.
package fault
