package main

import (
	"errors"
	"fmt"

	"github.com/meshwright/meshwright/verify"
)

// operations are the commands of the operations that remedies name.
var operations = map[verify.Operation]string{
	verify.OperationUp:      "meshwright up",
	verify.OperationRefresh: "meshwright up --refresh",
	verify.OperationStatus:  "meshwright status",
	verify.OperationCollect: "meshwright collect",
	verify.OperationCleanup: "meshwright verify --cleanup",
}

// remedies returns the function that shows a remedy for the lab that flags choose.
func remedies(flags string) func(verify.Remedy) string {
	return func(r verify.Remedy) string {
		command := operations[r.Operation]
		if command != "" {
			command += flags
		}
		return r.With(command)
	}
}

// withRemedy adds to an error what to do about it.
func withRemedy(err error, flags string) error {
	var known *verify.RemedyError
	if !errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("%w; %s", err, remedies(flags)(known.Remedy))
}
