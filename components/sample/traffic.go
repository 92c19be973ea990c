package sample

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Traffic is how requests to the sample are spread over regions. The zero value
// leaves the choice of endpoint to Istio.
type Traffic = topology.Rule

// Tuning is what ProfileZeroLoss adds to the article's rule, part by part.
type Tuning = topology.Tuning

// Modes and profiles of Traffic.
const (
	ModeDistribute  = topology.Distribute
	ModeFailover    = topology.Failover
	ProfileZeroLoss = topology.ZeroLoss
	ProfileArticle  = topology.Article
)

// tuningOf is what a rule adds to the article's.
func tuningOf(t Traffic) Tuning {
	switch {
	case t.Tuning != nil:
		return *t.Tuning
	case !t.Regional() || t.Profile == ProfileArticle:
		return Tuning{}
	}
	return Tuning{
		MaxEjection: true, GatewayErrors: true, Retries: true, RetryRemote: true,
		FastConnect: true, LocalErrors: true, LastResort: true, ReuseConnections: true,
	}
}

// destinationRule is the article's, tuned. What Istio makes of its fields is in its
// pilot/pkg/networking/core/cluster_traffic_policy.go and loadbalancer/loadbalancer.go.
func destinationRule(t Traffic, host string) pulumi.Map {
	tuning := tuningOf(t)
	locality := pulumi.Map{"enabled": pulumi.Bool(true)}
	switch t.Mode {
	case ModeDistribute:
		locality["distribute"] = distribute(t.Weights)
	case ModeFailover:
		locality["failover"] = failover(t.Failover)
	}
	outliers := pulumi.Map{
		"consecutive5xxErrors": pulumi.Int(1),
		"interval":             pulumi.String("1s"),
		"baseEjectionTime":     pulumi.String("1m"),
	}
	if tuning.GatewayErrors {
		// Left out, Envoy would still eject after five 5xx of any kind.
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

// anywhereIn is a locality of any zone of the region.
func anywhereIn(region string) string { return region + "/*" }

const (
	// safeMethods change nothing, by RFC 9110: repeating them is harmless.
	safeMethods = "GET|HEAD|OPTIONS"
	// onDefault are the conditions under which Istio retries by default, twice.
	onDefault       = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	defaultAttempts = 2
	// onSafe adds that the answer never came: also after the server had begun.
	onSafe = onDefault + ",503,reset"
	// onUnsent are those under which no server has seen the request.
	onUnsent = "connect-failure,refused-stream,reset-before-request"
	// triesPerPriority is after how many tries Istio has Envoy pass over a priority.
	triesPerPriority = 2
	// maxPriorities is how many Istio makes of one region at most: a client's own
	// subzone, the rest of its zone, and the rest of the region.
	maxPriorities = 3
	// perTry ends a try that nobody answers, so that there is time for another.
	perTry = "2s"
)

// attempts are the retries that leave a region of so many localities, and one more.
func attempts(localities int) int {
	return triesPerPriority*min(max(localities, 1), maxPriorities) + 1
}

// retried is the route split by what may be repeated: first the rule for safe
// methods, if they differ, then the one for all that remain.
func retried(t Traffic, rule httpRule) []httpRule {
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
