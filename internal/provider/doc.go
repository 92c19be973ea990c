// Package provider serves resource providers to a Pulumi engine, in two ways:
//
//   - [Attach] serves them from this process and names them to the engine
//     through PULUMI_DEBUG_PROVIDERS. Every accepted connection gets a provider
//     of its own, as if the engine had started a plugin for it.
//   - [Main] serves one of them as a plugin process that the engine starts.
//
// Both use the Pulumi SDK's [plugin.Provider] and its server, and add what that
// server lacks: the flag of a detailed diff, Attach, plugin information without
// a version, and recovery from panics, which would otherwise end the whole
// process. [Base] holds what all twins have in common.
//
// The providers run commands and hold credentials, so the listeners take only
// peers of the process's own user. Which user holds the other end of a loopback
// connection is known on Linux only; elsewhere the check is absent and the port
// number is the only protection.
package provider
