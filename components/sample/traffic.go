package sample

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/mesh/topology"
)

// tuningOf is what a rule adds to the article's rule.
func tuningOf(t topology.Rule) topology.Tuning {
	switch {
	case t.Tuning != nil:
		return *t.Tuning
	case !t.Regional() || t.Profile == topology.Article:
		return topology.Tuning{}
	}
	return topology.Tuning{
		MaxEjection: true, GatewayErrors: true, Retries: true, RetryRemote: true,
		FastConnect: true, LocalErrors: true, LastResort: true, ReuseConnections: true,
	}
}

// destinationRule is the article's rule with the tuning. Istio translates its fields in
// pilot/pkg/networking/core/cluster_traffic_policy.go and loadbalancer/loadbalancer.go.
func destinationRule(t topology.Rule, host string) pulumi.Map {
	tuning := tuningOf(t)
	locality := pulumi.Map{"enabled": pulumi.Bool(true)}
	switch t.Mode {
	case topology.Distribute:
		locality["distribute"] = distribute(t.Weights)
	case topology.Failover:
		locality["failover"] = failover(t.Failover)
	}
	outliers := pulumi.Map{
		"consecutive5xxErrors": pulumi.Int(1),
		"interval":             pulumi.String("1s"),
		"baseEjectionTime":     pulumi.String("1m"),
	}
	if tuning.GatewayErrors {
		// By default Envoy also ejects after five 5xx errors of any kind.
		outliers["consecutive5xxErrors"] = pulumi.Int(0)
		outliers["consecutiveGatewayErrors"] = pulumi.Int(1)
	}
	if tuning.MaxEjection {
		outliers["maxEjectionPercent"] = pulumi.Int(100)
	}
	if tuning.LocalErrors {
		outliers["splitExternalLocalOriginErrors"] = pulumi.Bool(true)
		outliers["consecutiveLocalOriginFailures"] = pulumi.Int(5)
	}
	if tuning.LastResort {
		outliers["minHealthPercent"] = pulumi.Int(1)
	}
	pool := pulumi.Map{"http": pulumi.Map{"maxRequestsPerConnection": pulumi.Int(1)}}
	if tuning.ReuseConnections {
		pool["http"] = pulumi.Map{"h2UpgradePolicy": pulumi.String("UPGRADE")}
	}
	if tuning.FastConnect {
		pool["tcp"] = pulumi.Map{"connectTimeout": pulumi.String("1s")}
	}
	return pulumi.Map{
		"host": pulumi.String(host),
		"trafficPolicy": pulumi.Map{
			"connectionPool":   pool,
			"loadBalancer":     pulumi.Map{"simple": pulumi.String("ROUND_ROBIN"), "localityLbSetting": locality},
			"outlierDetection": outliers,
		},
	}
}

func distribute(weights map[string]map[string]int) pulumi.Array {
	var rules pulumi.Array
	for _, from := range slices.Sorted(maps.Keys(weights)) {
		to := pulumi.Map{}
		for region, percent := range weights[from] {
			to[anywhereIn(region)] = pulumi.Int(percent)
		}
		rules = append(rules, pulumi.Map{"from": pulumi.String(anywhereIn(from)), "to": to})
	}
	return rules
}

func failover(to map[string]string) pulumi.Array {
	var rules pulumi.Array
	for _, from := range slices.Sorted(maps.Keys(to)) {
		rules = append(rules, pulumi.StringMap{"from": pulumi.String(from), "to": pulumi.String(to[from])})
	}
	return rules
}

// anywhereIn matches every locality of a region.
func anywhereIn(region string) string { return region + "/*" }

const (
	// safeMethods are safe to repeat (RFC 9110).
	safeMethods = "GET|HEAD|OPTIONS"
	// onDefault are the conditions of Istio's default retries, and defaultAttempts their number.
	onDefault       = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	defaultAttempts = 2
	// onSafe adds a lost response, even if the server has processed the request.
	onSafe = onDefault + ",503,reset"
	// onUnsent are the conditions under which no server has received the request.
	onUnsent = "connect-failure,refused-stream,reset-before-request"
	// triesPerPriority is the number of tries after which Envoy skips a priority, as
	// Istio configures it.
	triesPerPriority = 2
	// maxPriorities is the maximum of one region in Istio: the client's subzone, the rest
	// of its zone, and the rest of the region.
	maxPriorities = 3
	// perTry is the timeout of one try, which leaves time for another.
	perTry = "2s"
)

// attempts is the number of retries after which a request has left a region of that many
// localities, plus one.
func attempts(localities int) int {
	return triesPerPriority*min(max(localities, 1), maxPriorities) + 1
}

// retried splits a rule by what may be repeated: first the rule for safe methods, if it
// differs, then the rule for all other methods.
func retried(t topology.Rule, rule httpRule) []httpRule {
	tuning, enough := tuningOf(t), attempts(t.Localities)
	policy := func(attempts int, on string) pulumi.Map {
		p := pulumi.Map{"attempts": pulumi.Int(attempts), "retryOn": pulumi.String(on)}
		if tuning.RetryRemote {
			p["retryRemoteLocalities"] = pulumi.Bool(true)
		}
		return p
	}
	switch {
	case tuning.Retries:
		safe := rule
		safe.methods, safe.retries = safeMethods, policy(enough, onSafe)
		safe.retries["perTryTimeout"] = pulumi.String(perTry)
		rule.retries = policy(enough, onUnsent)
		return []httpRule{safe, rule}
	case tuning.RetryRemote:
		rule.retries = policy(defaultAttempts, onDefault)
	}
	return []httpRule{rule}
}
