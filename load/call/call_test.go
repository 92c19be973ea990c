package call

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
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
			for _, r := range Parse(c.out) {
				got = append(got, row{r.Code, r.Version, r.Instance, r.OK()})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseCounts: however transfers interleave, the counts are right.
func TestParseCounts(t *testing.T) {
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
			lines = append(lines, "Hello version: "+v+", instance: helloworld-"+v+"-0", "#request 200 0.1 0 ")
		}
		rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		got := map[string]int{}
		for _, r := range Parse(strings.Join(lines, "\n")) {
			got[r.Version]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("counts (-want +got):\n%s", diff)
		}
	})
}

// TestReader: however the stream is cut into pieces, the records are the same
// as those of the whole.
func TestReader(t *testing.T) {
	const stream = "Hello version: v1, instance: a\n\n#request 200 0.004 0 \n" +
		"no healthy upstream\n#request 503 0.001 0 \n" +
		"\n#request 000 2.001 28 Operation timed out\n" +
		"Hello version: v2, instance: b\n\n#request 200 0.003 0 \n"
	want := Parse(stream)
	rapid.Check(t, func(t *rapid.T) {
		var got []Record
		r := &Reader{OnRecord: func(rec Record) { got = append(got, rec) }}
		for rest := stream; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if _, err := r.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
	})
}

func TestPaced(t *testing.T) {
	cases := map[string]struct {
		rate float64
		want string
	}{
		"unbounded":       {0, ""},
		"five per second": {5, "--rate 300/m"},
		"a slow one":      {0.001, "--rate 1/m"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			line := strings.Join(Paced("http://h/hello", 9, c.rate, 1500*time.Millisecond), " ")
			if got := strings.Contains(line, "--rate"); got != (c.want != "") || !strings.Contains(line, c.want) {
				t.Errorf("command %s", line)
			}
			if !strings.Contains(line, "--max-time 1.5") || !strings.HasSuffix(line, "http://h/hello#[1-9]") {
				t.Errorf("command %s", line)
			}
		})
	}
}
