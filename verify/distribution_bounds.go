package verify

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// acceptance returns the least and the greatest number of hits in n trials that
// a share of p explains: fewer, or more, happen with probability alpha/2 at most.
//
// Envoy's weighted round robin spreads requests more evenly than independent
// draws would, so the bound is on the safe side: a healthy mesh is refused less
// often than alpha says.
func acceptance(n int, p, alpha float64) (lo, hi int) {
	switch {
	case p <= 0:
		return 0, 0
	case p >= 1:
		return n, n
	}
	d := distuv.Binomial{N: float64(n), P: p}
	lo = sort.Search(n+1, func(k int) bool { return d.CDF(float64(k)) > alpha/2 })
	hi = sort.Search(n+1, func(k int) bool { return 1-d.CDF(float64(k)) <= alpha/2 })
	return lo, hi
}

// power is the probability with which a share of q is told from one of p.
func power(n int, p, q, alpha float64) float64 {
	lo, hi := acceptance(n, p, alpha)
	d := distuv.Binomial{N: float64(n), P: q}
	below := 0.0
	if lo > 0 {
		below = d.CDF(float64(lo - 1))
	}
	return below + 1 - d.CDF(float64(hi))
}

// sampleSize is a number of trials, in steps of 50, with which a share that is
// off by shift, to either side of p, is noticed with probability want. From it
// on the power only ripples: the steps of the distribution are smaller than the
// margin that the search leaves.
func sampleSize(p, shift, alpha, want float64) int {
	const step = 50
	enough := func(n int) bool {
		for _, q := range []float64{p - shift, p + shift} {
			if q >= 0 && q <= 1 && power(n, p, q, alpha) < want {
				return false
			}
		}
		return true
	}
	// The normal approximation is close; start a little below it.
	tail := distuv.UnitNormal.Quantile(1-alpha/2)*math.Sqrt(p*(1-p)) +
		distuv.UnitNormal.Quantile(want)*math.Sqrt(max((p-shift)*(1-p+shift), (p+shift)*(1-p-shift), 0))
	n := max(step, int(0.8*tail*tail/(shift*shift))/step*step)
	for !enough(n) {
		n += step
	}
	return n
}
