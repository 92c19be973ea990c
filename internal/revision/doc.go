// Package revision gets at the past of a project: it resolves what a user calls a
// revision, lays its files out in a directory, and compiles its program.
//
// It leaves the user's checkout, index and object database as they are. The
// working tree is a revision too: its files go through an index and an object
// database of their own.
package revision
