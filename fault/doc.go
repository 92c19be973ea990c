// Package fault breaks a running mesh on purpose, one thing at a time, and restores
// it. Each fault is one file: what it needs of a mesh, how it is injected and how it
// is restored. Drills, the matrix of faults and checks, and tests share them; which
// check must notice which fault is declared in test/faults/matrix.
//
// A fault is prepared before it is injected: Prepare writes a Record of what it will
// change, and what that was before, into the mesh. A process that finds the record
// (Recognise) can restore the mesh (Restore), whatever became of the one that broke it.
//
// Faults change the mesh. Never point them at one that is in use.
package fault
