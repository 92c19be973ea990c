package main

// stack is a set of settings to be taken through its life.
type stack struct {
	name    string // Pulumi.<name>.yaml
	project string // directory of the settings; "" for the repository's own
	model   string
	restart bool // its nodes are restarted too
	short   bool // part of the short run: the two mixtures hold every kind of pair that there is
	// faults are played on it: all that its topology can have. Those of dev's belong
	// to the end-to-end test.
	faults []string
}

// mixtures is the directory of the stacks that belong to this run alone.
const mixtures = "test/conformance"

// stacks lists every stack file once.
func stacks() []stack {
	return []stack{
		{name: "dev", model: "non-flat, multiple control planes", restart: true},
		{
			name: "flat-multi-primary", model: "flat, multiple control planes", restart: true,
			faults: []string{"remote-secret-loopback", "another-root", "istiod-unready", "pod-route-gone", "callers-masqueraded"},
		},
		{
			name: "primary-remote", model: "non-flat, single control plane",
			faults: []string{"east-west-gateway-gone", "route-between-networks", "istiod-hidden"},
		},
		{name: "flat-primary-remote", model: "flat, single control plane"},
		{name: "three-region", model: "three networks and control planes"},
		{name: "pair-and-remote", project: mixtures, model: "two primaries on one network, a remote on another", short: true},
		{name: "remote-beside-primary", project: mixtures, model: "a primary with its remote on one network, a primary on another", short: true},
	}
}
