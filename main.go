// Meshwright's Pulumi program: the entry that the pulumi command runs.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/stacks"
)

func main() {
	pulumi.Run(stacks.Program)
}
