package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
)

// PartialFailure returns the error of a Create, Update or Read that left a
// resource which exists but is not as it should be. The engine keeps id,
// outputs and inputs in the state and tries again at the next update, where a
// plain error would lose the resource.
func PartialFailure(id resource.ID, outputs, inputs resource.PropertyMap, reasons ...string) error {
	opts := plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, PropagateNil: true}
	why := strings.Join(reasons, "; ")
	rpcOutputs, outputsErr := plugin.MarshalProperties(outputs, opts)
	rpcInputs, inputsErr := plugin.MarshalProperties(inputs, opts)
	if err := errors.Join(outputsErr, inputsErr); err != nil {
		return fmt.Errorf("%s; its inputs and outputs cannot be recorded: %w", why, err)
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, why),
		&pulumirpc.ErrorResourceInitFailed{Id: string(id), Properties: rpcOutputs, Inputs: rpcInputs, Reasons: reasons})
}
