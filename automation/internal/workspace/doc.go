// Package workspace keeps the private directory in which the engine finds project
// and stack. It owns the search for the user's project, the stack's settings (the
// user's files, or the copies that are built in), their copy with an operation's
// overrides, and the way private files are written. The user's files are only read.
// What the settings mean is the business of package stacks.
package workspace
