package load

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	ms := func(n ...int) []float64 {
		var out []float64
		for _, v := range n {
			out = append(out, Milliseconds(time.Duration(v)*time.Millisecond))
		}
		return out
	}
	cases := map[string]struct {
		list []float64
		q    float64
		want float64
	}{
		"none":          {nil, 0.5, 0},
		"one":           {ms(7), 0.99, 7},
		"median of two": {ms(9, 1), 0.5, 1},
		"p99 of four":   {ms(1, 2, 3, 4), 0.99, 4},
		"p50 of five":   {ms(5, 4, 1, 2, 3), 0.5, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Quantile(c.list, c.q); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
