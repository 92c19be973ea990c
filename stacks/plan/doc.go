// Package plan turns a stack's configuration into the plan of a lab: its clusters
// with their nodes, subnets and addresses. Package mesh/topology has the relations
// between clusters.
//
// The package is pure: it reads no file, asks no daemon and imports no Pulumi SDK.
// Package stacks creates the resources.
package plan
