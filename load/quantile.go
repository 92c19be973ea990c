package load

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// Quantile returns the q-quantile of values by nearest rank: the least of them that
// is not below a share of q. It is 0 without values.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return stat.Quantile(q, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}

// Milliseconds renders a latency, to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
