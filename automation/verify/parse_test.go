package verify

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseBatch(t *testing.T) {
	type row struct {
		Code              int
		Version, Instance string
		OK                bool
	}
	cases := map[string]struct {
		out  string
		want []row
	}{
		"sequential": {
			"Hello version: v1, instance: a\n\n#request 200 0.004 0 \nHello version: v2, instance: b\n\n#request 200 0.003 0 \n",
			[]row{{200, "v1", "a", true}, {200, "v2", "b", true}},
		},
		"interleaved": {
			"Hello version: v1, instance: a\nHello version: v2, instance: b\n\n#request 200 0.004 0 \n\n#request 200 0.003 0 \n",
			[]row{{200, "v1", "a", true}, {200, "v2", "b", true}},
		},
		"an error's body has no end of line": {
			"upstream connect error\n#request 503 0.1 0 \nHello version: v2, instance: b\n\n#request 200 0.003 0 \n",
			[]row{{503, "", "", false}, {200, "v2", "b", true}},
		},
		"timeout": {
			"\n#request 000 2.001 28 Operation timed out after 2001 milliseconds with 0 bytes received\n",
			[]row{{0, "", "", false}},
		},
		"cut off in the body": {
			"Hello version: v1, instance: a\n\n#request 200 2.001 18 transfer closed with outstanding read data remaining\n",
			[]row{{0, "", "", false}},
		},
		"200 without an answer": {"welcome\n#request 200 0.1 0 \n", []row{{200, "", "", false}}},
		"nothing":               {"", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []row
			for _, r := range parseBatch(c.out) {
				got = append(got, row{r.code, r.version, r.instance, r.ok()})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseBatchCounts: however transfers interleave, the counts are right.
func TestParseBatchCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		want := map[string]int{}
		for range rapid.IntRange(0, 60).Draw(t, "requests") {
			v := rapid.SampledFrom([]string{"v1", "v2", ""}).Draw(t, "version")
			want[v]++
			if v == "" {
				lines = append(lines, "no healthy upstream", "#request 503 0.1 0 ")
				continue
			}
			lines = append(lines, strings.TrimSpace(hello(v)), "#request 200 0.1 0 ")
		}
		rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		got := map[string]int{}
		for _, r := range parseBatch(strings.Join(lines, "\n")) {
			got[r.version]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("counts (-want +got):\n%s", diff)
		}
	})
}

func TestMetric(t *testing.T) {
	const text = `# HELP pilot_total_xds_rejects Total number of XDS responses from pilot rejected by proxy.
pilot_total_xds_rejects{type="cds"} 2
pilot_total_xds_rejects{type="lds",reason="a } brace"} 1 1700000000
pilot_total_xds_rejects_other 9
bare 4
broken{a="b"} many
`
	cases := map[string]struct {
		want float64
		err  bool
	}{
		"pilot_total_xds_rejects": {3, false},
		"bare":                    {4, false},
		"absent":                  {0, false},
		"broken":                  {0, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := metric([]byte(text), name)
			if got != c.want || (err != nil) != c.err {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestPower(t *testing.T) {
	cases := map[string]struct{ hosts, versions, requests int }{
		"one version on one host": {1, 1, 1},
		"the article's two":       {2, 2, 51},
		"three regions":           {3, 3, 127},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := powerOf(c.hosts, c.versions)
			if p.Requests != c.requests {
				t.Errorf("n = %d, want %d", p.Requests, c.requests)
			}
			if p.FalseAlarm > falseAlarm {
				t.Errorf("false alarm %g", p.FalseAlarm)
			}
			fewer := float64(c.versions) * math.Pow(1-p.MinShare, float64(p.Requests-1))
			if p.Requests > 1 && fewer <= falseAlarm {
				t.Errorf("n is not the least: n-1 gives %g", fewer)
			}
		})
	}
}

// TestLeastRequestFloor plays the algorithm that powerOf rests on, against an
// adversary who keeps one host always the busier: it is still drawn with
// 1/hosts².
func TestLeastRequestFloor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, hosts := range []int{2, 3, 5} {
		const n = 200_000
		drawn := 0
		for range n {
			if r.IntN(hosts) == 0 && r.IntN(hosts) == 0 {
				drawn++
			}
		}
		p := powerOf(hosts, hosts).MinShare
		sigma := math.Sqrt(p * (1 - p) / n)
		if got := float64(drawn) / n; math.Abs(got-p) > 6*sigma {
			t.Errorf("%d hosts: share %g, derived %g", hosts, got, p)
		}
	}
}

func TestChoices(t *testing.T) {
	cases := map[string]struct {
		networks []string
		versions [][]string
		want     int
	}{
		"two networks, one version each":     {[]string{"n1", "n2"}, [][]string{{"v2"}, {"v1"}}, 2},
		"one network":                        {[]string{"n1", "n1"}, [][]string{{"v2"}, {"v1"}}, 2},
		"two versions behind a gateway":      {[]string{"n1", "n2"}, [][]string{{"v2"}, {"v1", "v3"}}, 4},
		"three networks":                     {[]string{"n1", "n2", "n3"}, [][]string{{"v1"}, {"v2"}, {"v3"}}, 3},
		"a cluster that serves nothing":      {[]string{"n1", "n2"}, [][]string{{"v1"}, nil}, 1},
		"no version anywhere is still a one": {[]string{"n1"}, [][]string{nil}, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &mesh{workload: Workload{Versions: map[string][]string{}}}
			for i, n := range c.networks {
				id := string(rune('a' + i))
				m.members = append(m.members, &member{Target: Target{Name: id, Network: n}})
				m.workload.Versions[id] = c.versions[i]
			}
			if got := m.choices(); got != c.want {
				t.Errorf("choices %d, want %d", got, c.want)
			}
		})
	}
}

func TestParseIdentityRefuses(t *testing.T) {
	root := newAuthority(t, "root", nil)
	leaf := root.chain(root.issue(t, leafOptions{}))
	cases := map[string]struct {
		dump   string
		absent bool
	}{
		"no JSON":      {"upstream connect error", false},
		"no secrets":   {`{"configs": []}`, true},
		"no roots":     {secretsJSON(encode(leaf), nil), true},
		"no chain":     {secretsJSON(nil, encode(leaf[1:])), true},
		"broken chain": {secretsJSON([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), encode(leaf[1:])), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parseIdentity([]byte(c.dump))
			if err == nil || errors.Is(err, errNoSecret) != c.absent {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	ms := func(n ...int) []time.Duration {
		var out []time.Duration
		for _, v := range n {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	cases := map[string]struct {
		list []time.Duration
		q    float64
		want float64
	}{
		"none":          {nil, 0.5, 0},
		"one":           {ms(7), 0.99, 7},
		"median of two": {ms(1, 9), 0.5, 1},
		"p99 of four":   {ms(1, 2, 3, 4), 0.99, 4},
		"p50 of five":   {ms(1, 2, 3, 4, 5), 0.5, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := quantile(c.list, c.q); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
