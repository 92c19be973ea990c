// Package sample owns the application that a mesh is tried with: Istio's
// helloworld in the versions that a cluster runs, a sleep pod to call it from, and
// the routes and traffic rules on the way.
//
// It takes its namespace from its caller, so that a test may put one of its own
// beside the user's.
package sample
