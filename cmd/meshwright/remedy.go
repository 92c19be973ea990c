package main

import (
	"errors"
	"fmt"

	"github.com/meshwright/meshwright/report"
)

// operations are the commands of the operations that remedies name.
var operations = map[report.Operation]string{
	report.OperationUp:      "meshwright up",
	report.OperationRefresh: "meshwright up --refresh",
	report.OperationStatus:  "meshwright status",
	report.OperationCollect: "meshwright collect",
	report.OperationCleanup: "meshwright verify --cleanup",
}

// remedies returns the function that shows a remedy for the lab that flags choose.
func remedies(flags string) func(report.Remedy) string {
	return func(r report.Remedy) string {
		command := operations[r.Operation]
		if command != "" {
			command += flags
		}
		return r.With(command)
	}
}

// withRemedy adds to an error what to do about it.
func withRemedy(err error, flags string) error {
	var known *report.RemedyError
	if !errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("%w; %s", err, remedies(flags)(known.Remedy))
}
