package load

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/meshwright/meshwright/load/call"
)

// Plan is what is called, how often and for how long.
type Plan struct {
	URL      string
	Host     string // Host header; "" for the URL's
	Rate     int    // requests per second
	Duration time.Duration
	Timeout  time.Duration // of one request; default 5 s
	Method   string        // default GET
}

// Scheduled is the number of requests that a run of the plan makes: the product
// of rate and duration, rounded down.
func (p Plan) Scheduled() int { return int(p.Duration * time.Duration(p.Rate) / time.Second) }

// complete fills defaults and refuses a plan that cannot be carried out.
func (p Plan) complete() (Plan, error) {
	if p.Timeout == 0 {
		p.Timeout = 5 * time.Second
	}
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	u, err := url.ParseRequestURI(p.URL)
	switch {
	case err != nil:
		return p, fmt.Errorf("load: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return p, fmt.Errorf("load: %q is not an absolute http or https URL", p.URL)
	case p.Timeout < 0:
		return p, fmt.Errorf("load: timeout %s", p.Timeout)
	case p.Scheduled() < 1:
		return p, fmt.Errorf("load: %d requests per second for %s are none", p.Rate, p.Duration)
	}
	return p, nil
}

// Record is one request.
type Record struct {
	Seq int `json:"seq"` // in the order of sending, from 0
	// At is when the request was sent, by the clock of the machine that sent it.
	At       time.Time     `json:"at"`
	Latency  time.Duration `json:"latency"` // to the end of the body, in nanoseconds
	Status   int           `json:"status"`  // 0 without an answer
	Error    string        `json:"error,omitempty"`
	Version  string        `json:"version,omitempty"`  // of the workload, from the answer
	Instance string        `json:"instance,omitempty"` // the pod that answered
}

// OK reports an answer: status 200 and a version in it.
func (r Record) OK() bool { return r.Error == "" && r.Status == http.StatusOK && r.Version != "" }

// Source sends load.
type Source interface {
	// Run carries out the plan and calls on once for every scheduled request, one
	// call at a time, as the answers come; that is not always the order of sending.
	// A request that failed is a record, not an error. An error means that requests
	// are missing: nothing could be sent, fewer came back, or ctx ended, whose cause
	// it then wraps. on is not called after Run has returned.
	Run(ctx context.Context, p Plan, on func(Record)) error
}

// newRecord reads an answer. text is what went wrong, in Vegeta's words: the
// transport's error, or the status of an answer outside 200 to 399.
func newRecord(seq uint64, at time.Time, latency time.Duration, status int, text string, body []byte) Record {
	r := Record{Seq: int(seq), At: at, Latency: latency, Status: status} //nolint:gosec // no run makes 2^63 requests
	answer := string(body)
	switch {
	case status == 0:
		r.Error = plain(text)
		if r.Error == "" {
			r.Error = "no answer"
		}
		return r
	case status != http.StatusOK:
		if r.Error = text; text == "" {
			r.Error = fmt.Sprintf("%d %s", status, http.StatusText(status))
		}
		if said := firstLine(answer); said != "" {
			r.Error += ": " + said
		}
		return r
	}
	if r.Version, r.Instance = call.ParseAnswer(answer); text != "" {
		r.Error = plain(text) // the body broke off
	} else if r.Version == "" {
		r.Error = "no version in the answer: " + firstLine(answer)
	}
	return r
}

var (
	urlError  = regexp.MustCompile(`^[A-Z][a-z]+ "[^"]*": `)
	localPort = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+|\]):\d+->`)
)

// plain leaves out of a transport's error what differs between requests that
// failed for the same reason: the URL and this side's port.
func plain(text string) string {
	return localPort.ReplaceAllString(urlError.ReplaceAllString(text, ""), "$1->")
}

// maxText bounds what is kept of an answer that is no answer, in bytes.
const maxText = 200

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return strings.TrimSpace(s)
}
