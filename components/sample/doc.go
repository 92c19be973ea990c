// Package sample owns the application with which a mesh is tested: Istio's helloworld in
// the versions that a cluster runs, a sleep pod as its client, and the routes and
// traffic rules between them.
//
// The caller chooses the namespace, so that a test may have a sample of its own.
package sample
