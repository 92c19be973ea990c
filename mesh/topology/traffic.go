package topology

// Rule spreads requests over regions. The zero rule leaves the choice of endpoint to
// Istio.
type Rule struct {
	// Mode is Distribute or Failover.
	Mode string `json:"mode,omitempty"`
	// Profile is ZeroLoss or Article. It decides the tuning if Tuning is nil.
	Profile string `json:"profile,omitempty"`
	// Weights of Distribute: percent by the client's region and the server's region.
	// The sum for each client's region is 100.
	Weights map[string]map[string]int `json:"weights,omitempty"`
	// Failover of Failover: by region, the region that takes over.
	Failover map[string]string `json:"failover,omitempty"`
	// Localities of Failover: the number of localities in the region that has the
	// most, if more than one. Requests leave a region only after all its localities.
	Localities int `json:"localities,omitempty"`
	// Tuning overrides the profile, to measure the effect of each part.
	Tuning *Tuning `json:"tuning,omitempty"`
}

// Modes and profiles of a Rule.
const (
	Distribute = "distribute"
	Failover   = "failover"
	ZeroLoss   = "zero-loss"
	Article    = "article"
)

// Regional reports whether the rule spreads requests over regions.
func (r Rule) Regional() bool { return r.Mode == Distribute || r.Mode == Failover }

// Tuning is what the profile ZeroLoss adds to the article's rule.
type Tuning struct {
	// MaxEjection allows the ejection of all endpoints of a region. By default Envoy
	// ejects at most a tenth, which of one or two endpoints is none.
	MaxEjection bool `json:"maxEjection"`
	// GatewayErrors ejects only for 502, 503, 504 and broken connections. A remote
	// region is a single endpoint, its gateway, which an application's 500 must not
	// eject.
	GatewayErrors bool `json:"gatewayErrors"`
	// Retries repeats interrupted requests whose method is safe to repeat.
	Retries bool `json:"retries"`
	// RetryRemote lets retries leave the region within the failing request.
	RetryRemote bool `json:"retryRemote"`
	// FastConnect limits a connection attempt to one second, so that the retry and the
	// ejection start. A deleted pod does not refuse connections: its address does not
	// respond, and Istio's default limit is ten seconds.
	FastConnect bool `json:"fastConnect"`
	// LocalErrors counts failed connections apart from responses, and ejects after five
	// in a row. When all requests of a region move at once, a handshake may take longer
	// than FastConnect allows, and one slow handshake must not eject the single endpoint
	// of another region.
	LocalErrors bool `json:"localErrors"`
	// LastResort tries unhealthy endpoints if all endpoints are unhealthy. By default
	// Istio answers 503 in this case, with the article's rule for a minute.
	LastResort bool `json:"lastResort"`
	// ReuseConnections sends any number of concurrent requests over one connection
	// (HTTP/2). The article's rule opens a connection for each request. Its TLS
	// handshakes cost more than the responses: too much for a small machine if several
	// clusters fail over to one. HTTP/1.1 opens more connections if responses are late.
	ReuseConnections bool `json:"reuseConnections"`
}

// Profiles returns the profiles of a Rule.
func Profiles() []string { return []string{ZeroLoss, Article} }
