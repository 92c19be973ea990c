package sample

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Traffic is how requests to the sample are spread over regions.
type Traffic struct {
	// Mode is ModeDistribute or ModeFailover.
	Mode string `json:"mode"`
	// Profile is ProfileZeroLoss or ProfileArticle; it says what Tuning is if that
	// is nil.
	Profile string `json:"profile"`
	// Weights of ModeDistribute: percent, summing to 100, by the client's region and
	// the server's.
	Weights map[string]map[string]int `json:"weights,omitempty"`
	// Failover of ModeFailover: the region that takes over, by region.
	Failover map[string]string `json:"failover,omitempty"`
	// Tuning overrides the profile.
	Tuning *Tuning `json:"-"`
}

// Modes and profiles of Traffic.
const (
	ModeDistribute  = "distribute"
	ModeFailover    = "failover"
	ProfileZeroLoss = "zero-loss"
	ProfileArticle  = "article"
)

// Tuning is what ProfileZeroLoss adds to the article's rule, part by part.
type Tuning struct {
	// MaxEjection lets every endpoint of a region be ejected. Envoy stops at a tenth
	// of them otherwise, which of one or two is none.
	MaxEjection bool
	// GatewayErrors ejects for 502, 503, 504 and broken connections alone. A remote
	// region is a single endpoint, its gateway: an application that answers 500 must
	// not take it away.
	GatewayErrors bool
	// Retries repeats what was cut off, where the method is safe to repeat.
	Retries bool
	// RetryRemote lets the retries leave the region within the failing request.
	RetryRemote bool
	// FastConnect gives a connection that nobody answers up after a second, for the
	// retry and the ejection to begin. A pod that is gone refuses nothing: its address
	// just falls silent, and Istio's own bound is ten seconds.
	FastConnect bool
	// NoPanic never sends to endpoints known to be ill, however few are well. Istio
	// does so for whoever detects outliers; saying it keeps it so.
	NoPanic bool
}

func (t *Traffic) tuning() Tuning {
	switch {
	case t.Tuning != nil:
		return *t.Tuning
	case t.Profile == ProfileArticle:
		return Tuning{}
	}
	return Tuning{MaxEjection: true, GatewayErrors: true, Retries: true, RetryRemote: true, FastConnect: true, NoPanic: true}
}

// destinationRule is the article's, tuned. What Istio makes of its fields is in its
// pilot/pkg/networking/core/cluster_traffic_policy.go and loadbalancer/loadbalancer.go.
func (t *Traffic) destinationRule(host string) pulumi.Map {
	tuning := t.tuning()
	locality := pulumi.Map{"enabled": pulumi.Bool(true)}
	switch t.Mode {
	case ModeDistribute:
		locality["distribute"] = t.distribute()
	case ModeFailover:
		locality["failover"] = t.failover()
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
	if tuning.NoPanic {
		outliers["minHealthPercent"] = pulumi.Int(0)
	}
	pool := pulumi.Map{"http": pulumi.Map{"maxRequestsPerConnection": pulumi.Int(1)}}
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

func (t *Traffic) distribute() pulumi.Array {
	var rules pulumi.Array
	for _, from := range slices.Sorted(maps.Keys(t.Weights)) {
		to := pulumi.Map{}
		for region, percent := range t.Weights[from] {
			to[anywhereIn(region)] = pulumi.Int(percent)
		}
		rules = append(rules, pulumi.Map{"from": pulumi.String(anywhereIn(from)), "to": to})
	}
	return rules
}

func (t *Traffic) failover() pulumi.Array {
	var rules pulumi.Array
	for _, from := range slices.Sorted(maps.Keys(t.Failover)) {
		rules = append(rules, pulumi.StringMap{"from": pulumi.String(from), "to": pulumi.String(t.Failover[from])})
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
	// attempts are enough to leave: Envoy's first retry stays in the region, since it
	// passes over a priority after every second try, and the next two do not.
	attempts = 3
	// perTry ends a try that nobody answers, so that there is time for another.
	perTry = "2s"
)

// retried is the route split by what may be repeated: first the rule for safe
// methods, if they differ, then the one for all that remain.
func (t *Traffic) retried(rule httpRule) []httpRule {
	tuning := t.tuning()
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
		safe.methods, safe.retries = safeMethods, policy(attempts, onSafe)
		safe.retries["perTryTimeout"] = pulumi.String(perTry)
		rule.retries = policy(attempts, onUnsent)
		return []httpRule{safe, rule}
	case tuning.RetryRemote:
		rule.retries = policy(defaultAttempts, onDefault)
	}
	return []httpRule{rule}
}

// retries says whether the rule says anything about retries at all.
func (t *Traffic) retries() bool {
	tuning := t.tuning()
	return tuning.Retries || tuning.RetryRemote
}
