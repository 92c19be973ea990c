// Package kubernetes is an embedded twin of the official pulumi-kubernetes
// provider, version 4, for what a lab uses of it:
//
//   - any typed or custom resource, by server-side apply ([apply.go]), with its
//     readiness awaited ([await.go], [ready.go])
//   - kubernetes:helm.sh/v3:Release, by the Helm 3 SDK (release*.go)
//
// Tokens, inputs, outputs, annotations, default names, replacement rules and
// secrets are those of the official provider, so that a stack can change from
// one to the other. docs/providers.md lists what differs on purpose; the most of it:
//
//   - the field manager's name is derived from the resource's URN instead of
//     drawn at random, so that an update that was killed between the API call
//     and the checkpoint finds its own objects again instead of refusing them
//   - a change that the API server refuses as immutable, in a dry run, plans a
//     replacement, whether or not the field is in the provider's own table
//   - a Helm release is known by what its chart renders to, not by the chart's
//     version, and awaited by watches, not by Helm's two-second polls
//
// Not here: client-side apply, YAML rendering, functions, and the component
// resources of the yaml, kustomize and helm/v4 modules; each is refused by name.
//
// The package has no mutable globals; every provider has its own clients, so
// any number of them work on different clusters in one process.
package kubernetes
