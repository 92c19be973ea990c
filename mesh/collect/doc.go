// Package collect gathers what is needed to find out what is wrong with a mesh
// into one archive: objects, events, logs, Envoy and istiod state. No secret
// gets in: the data of Secrets is never read, and everything that is written
// passes through a Redactor.
package collect
