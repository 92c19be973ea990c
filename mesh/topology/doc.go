// Package topology says what a multi-cluster mesh is: clusters, the networks and
// control planes that they share or do not, their localities, and the rule by which
// requests are spread over regions. How a lab builds one is the business of stacks.
package topology
