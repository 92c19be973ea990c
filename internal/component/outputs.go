// Package component holds what all components of the program share: how they end, and what they tell proxies.
package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Outputs registers a component's outputs, which ends its construction.
//
// It is the SDK's RegisterResourceOutputs in the background. The SDK's own waits until
// the component itself is registered, and that waits until the component's provider,
// its dependencies and what it is deleted with are there: a program whose first
// cluster is being made would register nothing of the second meanwhile. The program
// does not end before the outputs are registered.
func Outputs(ctx *pulumi.Context, c pulumi.ComponentResource, outputs pulumi.Map) {
	c.URN().ApplyT(func(pulumi.URN) (bool, error) {
		return true, ctx.RegisterResourceOutputs(c, outputs)
	})
}
