//go:build !linux

package automation

// machineRoutes are none: where the system is not Linux, containers run in a machine of
// their own.
func machineRoutes() ([]taken, error) { return nil, nil }
