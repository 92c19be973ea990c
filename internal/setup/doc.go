// Package setup prepares a machine for labs, and undoes that.
//
// Run uses Docker where it answers. Only where none does, on Debian or Ubuntu
// and as root, it installs the packages, raises the inotify limits and starts a
// daemon of its own: own data root (paths.DataDir), own exec root, a socket that
// only root opens, no TCP. Clean undoes all of it but the packages.
//
// Run records each change (Record) before it makes it, so that a later run, also one
// after a crash, knows what is ours and what was there before. A process is recognised
// by its id, its start time and the boot in which it ran, never by its id alone.
package setup
