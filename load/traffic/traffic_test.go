package traffic

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

func options() Options {
	return Options{
		Targets: []mesh.Cluster{
			{Cluster: topology.Cluster{Name: "cluster1", Locality: topology.Locality{Region: "region1"}}, IngressAddress: "10.192.8.0", Config: &rest.Config{Host: "http://127.0.0.1:1"}},
			{Cluster: topology.Cluster{Name: "cluster2", Locality: topology.Locality{Region: "region2"}}, Config: &rest.Config{Host: "http://127.0.0.1:1"}},
		},
		Workload: mesh.Workload{Namespace: "sample", Service: "helloworld", Port: 5000, Path: "/hello"},
	}
}

func TestOptionsAreRefused(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		want   string
	}{
		"no clusters":     {func(o *Options) { o.Targets = nil }, "no clusters"},
		"nothing to call": {func(o *Options) { o.Workload = mesh.Workload{} }, "no sample"},
		"unknown cluster": {func(o *Options) { o.From = "cluster3" }, "[cluster1 cluster2]"},
		"unknown way":     {func(o *Options) { o.Via = "tunnel" }, "mesh or ingress"},
		"no ingress":      {func(o *Options) { o.From, o.Via = "cluster2", ViaIngress }, "no ingress gateway"},
		"negative rate":   {func(o *Options) { o.Rate = -1 }, "rate"},
		"negative count":  {func(o *Options) { o.Count = -1 }, "count"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := options()
			c.change(&o)
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestSummaryCounts(t *testing.T) {
	o := options()
	from, err := o.complete()
	if err != nil {
		t.Fatal(err)
	}
	s := newSummary(&o.Targets[from], o)
	answer := func(v, cluster string) {
		s.add(call.Record{Code: 200, Version: v, Instance: "pod", Took: 4 * time.Millisecond}, cluster)
	}
	for range 3 {
		answer("v2", "cluster1")
	}
	answer("v1", "cluster2")
	answer("v1", "")
	s.add(call.Record{Err: errors.New("refused"), Text: "refused"}, "")
	s.end()
	want := []Row{
		{Version: "v1", Answers: 1, Share: 0.2},
		{Version: "v1", Cluster: "cluster2", Region: "region2", Answers: 1, Share: 0.2},
		{Version: "v2", Cluster: "cluster1", Region: "region1", Answers: 3, Share: 0.6},
	}
	if diff := cmp.Diff(want, s.Rows, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if s.Requests != 6 || s.Errors != 1 || s.P50 != 4 {
		t.Errorf("requests %d, errors %d, p50 %g", s.Requests, s.Errors, s.P50)
	}
	for _, part := range []string{"v1 ? 1 (20%)", "v2 cluster1/region1 3 (60%)", "errors 1"} {
		if !strings.Contains(s.Line(), part) {
			t.Errorf("line %q lacks %q", s.Line(), part)
		}
	}
	var b bytes.Buffer
	if err := s.Table(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "last error: no answer") {
		t.Errorf("table without the last error:\n%s", b.String())
	}
}

// TestIngress calls a server on this machine: paced, counted, stopped.
func TestIngress(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%4 == 0 {
			http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("Hello version: v1, instance: helloworld-v1-0\n")) //nolint:errcheck // the client counts
	}))
	defer server.Close()
	cases := map[string]float64{"at a rate": 200, "as fast as answers come": 0}
	for name, rate := range cases {
		t.Run(name, func(t *testing.T) {
			n.Store(0)
			o := options()
			o.Targets[0].IngressAddress = strings.TrimPrefix(server.URL, "http://")
			o.Via, o.Rate, o.Count = ViaIngress, rate, 20
			seen := 0
			o.OnRecord = func(call.Record, *Summary) { seen++ }
			s, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			// One request finds out whether there is a route, so 21 were made.
			if s.Requests != 20 || seen != 20 || s.Errors != 5 || len(s.Rows) != 1 || s.Rows[0].Answers != 15 {
				t.Errorf("requests %d, seen %d, errors %d, rows %+v", s.Requests, seen, s.Errors, s.Rows)
			}
			if floor := 20.0/rate - 0.02; rate > 0 && s.Seconds < floor {
				t.Errorf("took %.3fs at %g/s", s.Seconds, rate)
			}
		})
	}
}

func TestUnreachableClusterIsAnError(t *testing.T) {
	if _, err := Run(t.Context(), options()); err == nil || !strings.Contains(err.Error(), "cluster1") {
		t.Errorf("error %v, want one that names the cluster", err)
	}
}
