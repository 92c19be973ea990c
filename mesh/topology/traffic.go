package topology

// Rule spreads requests over regions. The zero rule leaves the choice of endpoint to
// Istio.
type Rule struct {
	// Mode is Distribute or Failover.
	Mode string `json:"mode,omitempty"`
	// Profile is ZeroLoss or Article; it says what Tuning is if that is nil.
	Profile string `json:"profile,omitempty"`
	// Weights of Distribute: percent, summing to 100, by the client's region and the
	// server's.
	Weights map[string]map[string]int `json:"weights,omitempty"`
	// Failover of mode Failover: the region that takes over, by region.
	Failover map[string]string `json:"failover,omitempty"`
	// Localities of mode Failover: how many clusters' localities the region with the
	// most has; left out where none has two. Requests leave it only after all of them.
	Localities int `json:"localities,omitempty"`
	// Tuning overrides the profile, for measuring what each part of it adds.
	Tuning *Tuning `json:"tuning,omitempty"`
}

// Modes and profiles of a Rule.
const (
	Distribute = "distribute"
	Failover   = "failover"
	ZeroLoss   = "zero-loss"
	Article    = "article"
)

// Regional reports whether the rule sends a region's requests elsewhere than Istio
// would.
func (r Rule) Regional() bool { return r.Mode == Distribute || r.Mode == Failover }

// Tuning is what ZeroLoss adds to the article's rule, part by part.
type Tuning struct {
	// MaxEjection lets every endpoint of a region be ejected. Envoy stops at a tenth
	// of them otherwise, which of one or two is none.
	MaxEjection bool `json:"maxEjection"`
	// GatewayErrors ejects for 502, 503, 504 and broken connections alone. A remote
	// region is a single endpoint, its gateway: an application that answers 500 must
	// not take it away.
	GatewayErrors bool `json:"gatewayErrors"`
	// Retries repeats what was cut off, where the method is safe to repeat.
	Retries bool `json:"retries"`
	// RetryRemote lets the retries leave the region within the failing request.
	RetryRemote bool `json:"retryRemote"`
	// FastConnect gives a connection that nobody answers up after a second, for the
	// retry and the ejection to begin. A pod that is gone refuses nothing: its address
	// just falls silent, and Istio's own bound is ten seconds.
	FastConnect bool `json:"fastConnect"`
	// LocalErrors counts connections that failed apart from answers, and ejects after
	// five in a row. When a region's requests all leave at once, a handshake may well
	// take longer than FastConnect grants, and one slow handshake must not eject the
	// single endpoint that another region is.
	LocalErrors bool `json:"localErrors"`
	// LastResort tries endpoints known to be ill when every one of them is. Istio
	// answers 503 by itself then, and by its rule a minute long.
	LastResort bool `json:"lastResort"`
	// ReuseConnections sends any number of requests over one connection, at the same
	// time (HTTP/2). The article makes a new one for each, and its TLS handshakes cost
	// more than the answer: where several clusters fail over to one, that is more than
	// a small machine can do. With HTTP/1.1 answers that come late ask for more of them.
	ReuseConnections bool `json:"reuseConnections"`
}

// Profiles lists the profiles of a Rule.
func Profiles() []string { return []string{ZeroLoss, Article} }
