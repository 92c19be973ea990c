package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const hello = "Hello version: v1, instance: helloworld-v1-0\n"

func TestPlan(t *testing.T) {
	good := Plan{URL: "http://10.0.0.1/hello", Rate: 50, Duration: 1500 * time.Millisecond}
	if n := good.Scheduled(); n != 75 {
		t.Errorf("%d requests are scheduled, want 75", n)
	}
	if long := (Plan{Rate: 10_000, Duration: 24 * time.Hour}).Scheduled(); long != 864_000_000 {
		t.Errorf("%d requests of a long plan", long)
	}
	got, err := good.complete()
	if err != nil || got.Method != http.MethodGet || got.Timeout != 5*time.Second {
		t.Errorf("defaults: %+v, %v", got, err)
	}
	cases := map[string]func(*Plan){
		"no URL":       func(p *Plan) { p.URL = "" },
		"relative":     func(p *Plan) { p.URL = "/hello" },
		"other scheme": func(p *Plan) { p.URL = "ftp://host/hello" },
		"no rate":      func(p *Plan) { p.Rate = 0 },
		"no time":      func(p *Plan) { p.Duration = 0 },
		"negative":     func(p *Plan) { p.Rate, p.Duration = -1, -time.Second; p.Timeout = -1 },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			p := good
			change(&p)
			if _, err := p.complete(); err == nil {
				t.Errorf("%+v was accepted", p)
			}
		})
	}
}

func TestNewRecord(t *testing.T) {
	cases := map[string]struct {
		status     int
		text, body string
		want       Record
		ok         bool
	}{
		"answer":      {200, "", hello, Record{Status: 200, Version: "v1", Instance: "helloworld-v1-0"}, true},
		"no version":  {200, "", "hi\nthere", Record{Status: 200, Error: "no version in the answer: hi"}, false},
		"redirect":    {302, "", "", Record{Status: 302, Error: "302 Found"}, false},
		"status":      {503, "503 Service Unavailable", "no healthy upstream", Record{Status: 503, Error: "503 Service Unavailable: no healthy upstream"}, false},
		"broken body": {200, "unexpected EOF", "Hello version: v1, inst", Record{Status: 200, Version: "v1", Error: "unexpected EOF"}, false},
		"transport": {
			0, `Get "http://10.0.0.1/hello": read tcp 10.1.2.3:51234->10.0.0.1:80: connection reset by peer`, "",
			Record{Error: "read tcp 10.1.2.3->10.0.0.1:80: connection reset by peer"},
			false,
		},
		"nothing at all": {0, "", "", Record{Error: "no answer"}, false},
		"a long body":    {500, "", strings.Repeat("é", 150), Record{Status: 500, Error: "500 Internal Server Error: " + strings.Repeat("é", 100) + "..."}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := newRecord(0, time.Time{}, 0, c.status, c.text, []byte(c.body))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if got.OK() != c.ok {
				t.Errorf("OK() = %v", got.OK())
			}
		})
	}
}

func collect(t *testing.T, s Source, p Plan) []Record {
	t.Helper()
	var got []Record
	if err := s.Run(t.Context(), p, func(r Record) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b Record) int { return a.Seq - b.Seq })
	return got
}

// checkPace checks that every scheduled request has one record, and that they were
// sent when they were due. Vegeta and the kernel's timers are never early; a busy
// machine may be late for a moment, but not for the whole run.
func checkPace(t *testing.T, p Plan, got []Record) {
	t.Helper()
	if len(got) != p.Scheduled() {
		t.Fatalf("%d records, %d are scheduled", len(got), p.Scheduled())
	}
	late := make([]time.Duration, len(got))
	for i, r := range got {
		if r.Seq != i {
			t.Fatalf("record %d has number %d", i, r.Seq)
		}
		late[i] = r.At.Sub(got[0].At) - time.Duration(i)*time.Second/time.Duration(p.Rate)
	}
	slices.Sort(late)
	// Over a second, half the rate is half a second late and twice the rate a quarter early.
	if median := late[len(late)/2]; median < -200*time.Millisecond || median > 300*time.Millisecond {
		t.Errorf("half of the requests were sent %s or more after they were due", median)
	}
}

func TestHostKeepsThePace(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Host != "sample.test" {
			http.Error(w, "method or host", http.StatusMethodNotAllowed)
			return
		}
		fmt.Fprint(w, hello) //nolint:errcheck // the client checks
	}))
	defer server.Close()
	p := Plan{URL: server.URL, Host: "sample.test", Rate: 200, Duration: time.Second, Method: http.MethodPost}
	began := time.Now()
	got := collect(t, FromHost(), p)
	checkPace(t, p, got)
	if took := time.Since(began); took < 990*time.Millisecond {
		t.Errorf("a second of load took %s", took)
	}
	for _, r := range got {
		if !r.OK() || r.Version != "v1" || r.Instance != "helloworld-v1-0" || r.Latency <= 0 {
			t.Fatalf("record %+v", r)
		}
	}
}

// A closed loop would stop sending while the server does not answer.
func TestHostIsOpenLoop(t *testing.T) {
	var n atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		<-release
		fmt.Fprint(w, hello) //nolint:errcheck // the client checks
	}))
	defer server.Close()
	p := Plan{URL: server.URL, Rate: 100, Duration: time.Second, Timeout: 10 * time.Second}
	go func() {
		defer close(release)
		for deadline := time.Now().Add(8 * time.Second); n.Load() < 100 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
	}()
	got := collect(t, FromHost(), p)
	checkPace(t, p, got)
	for _, r := range got {
		if !r.OK() {
			t.Fatalf("record %+v", r)
		}
	}
	if got[0].Latency < 900*time.Millisecond {
		t.Errorf("the first answer came after %s, before the last request", got[0].Latency)
	}
}

func TestHostRecordsFailures(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler) // the connection breaks
		case 2:
			select { // longer than the timeout
			case <-r.Context().Done():
			case <-time.After(3 * time.Second):
			}
		default:
			fmt.Fprint(w, hello) //nolint:errcheck // the client checks
		}
	}))
	defer server.Close()
	p := Plan{URL: server.URL, Rate: 100, Duration: 400 * time.Millisecond, Timeout: 200 * time.Millisecond}
	records := collect(t, FromHost(), p)
	errs := map[string]int{}
	for _, r := range records {
		if !r.OK() {
			errs[r.Error]++
		}
	}
	if len(records) != 40 || errs["503 Service Unavailable: no healthy upstream"] == 0 {
		t.Errorf("%d records, errors %v", len(records), errs)
	}
	var timeouts, broken int
	for text, count := range errs {
		switch {
		case strings.Contains(text, "Timeout"):
			timeouts += count
		case strings.Contains(text, "EOF"), strings.Contains(text, "reset"):
			broken += count
		}
		if strings.Contains(text, server.URL) {
			t.Errorf("error %q differs by URL", text)
		}
	}
	if timeouts == 0 || broken == 0 {
		t.Errorf("%d timeouts and %d broken connections in %v", timeouts, broken, errs)
	}
}

func TestHostRefusedIsARecord(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	for _, r := range collect(t, FromHost(), Plan{URL: url, Rate: 10, Duration: 200 * time.Millisecond}) {
		if r.OK() || r.Status != 0 || !strings.Contains(r.Error, "connection refused") {
			t.Errorf("record %+v", r)
		}
	}
}
