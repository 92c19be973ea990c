// Package provider serves resource providers to a Pulumi engine, in two ways:
//
//   - [Attach] serves them from this process and names them to the engine
//     through PULUMI_DEBUG_PROVIDERS. Every accepted connection gets a provider
//     of its own, as if the engine had started a plugin for it.
//   - [Main] serves one of them as a plugin process that the engine starts.
//
// Both sit on the Pulumi SDK's own [plugin.Provider] and its server, and mend
// what that server leaves out: the flag that says a diff is detailed, Attach,
// plugin information without a version, and panics, which would otherwise end
// the whole process. [Base] holds what every twin answers alike.
//
// The providers run commands and hold credentials, so the listeners take only
// peers of the process's own user. Which user holds the other end of a loopback
// connection is known on Linux only; elsewhere the check is absent and the port
// number is the only protection.
package provider
