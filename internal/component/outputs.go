// Package component owns what all components share: the registration of their outputs,
// custom resources, and the annotations of pods with a sidecar.
package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Outputs registers a component's outputs, which ends its construction.
//
// It calls the SDK's RegisterResourceOutputs in the background. Called directly, that
// waits until the component is registered, which waits for the component's provider, its
// dependencies and the resource that it is deleted with. The program would then register
// nothing of the second cluster while the first is created. The program does not end
// before the outputs are registered.
func Outputs(ctx *pulumi.Context, c pulumi.ComponentResource, outputs pulumi.Map) {
	c.URN().ApplyT(func(pulumi.URN) (bool, error) {
		return true, ctx.RegisterResourceOutputs(c, outputs)
	})
}
