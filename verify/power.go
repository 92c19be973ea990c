package verify

import "math"

// falseAlarm is the probability with which a healthy mesh may fail one
// client's call check because a version happened not to be drawn.
const falseAlarm = 1e-6

// Power states how many requests a call check makes and why.
//
// Envoy's LEAST_REQUEST picks the less busy of two hosts that it draws at
// random, with replacement. However slow a host is, both draws fall on it with
// probability 1/hosts², so each version is drawn with at least that
// probability per request, independently of what the other requests do. The
// chance that one of k versions is missed in n requests is at most
// k(1-p)ⁿ (union bound); n is the least that brings it under falseAlarm.
type Power struct {
	Hosts      int     `json:"hosts"`      // endpoints among which a proxy chooses
	Versions   int     `json:"versions"`   // k
	MinShare   float64 `json:"minShare"`   // p
	Requests   int     `json:"requests"`   // n, per client
	FalseAlarm float64 `json:"falseAlarm"` // k(1-p)ⁿ for that n, per client
}

// powerOf derives n for k versions on that many hosts.
func powerOf(hosts, versions int) Power {
	p := Power{Hosts: hosts, Versions: versions, Requests: 1}
	if hosts < 1 || versions < 1 {
		return p
	}
	return p.atLeast(1 / float64(hosts*hosts))
}

// atLeast derives n for the least share, unless it needs fewer requests than p has.
func (p Power) atLeast(share float64) Power {
	n := 1
	if share < 1 {
		n = int(math.Ceil(math.Log(falseAlarm/float64(p.Versions)) / math.Log1p(-share)))
	}
	if n < p.Requests {
		return p
	}
	p.MinShare, p.Requests = share, n
	p.FalseAlarm = float64(p.Versions) * math.Pow(1-share, float64(n))
	return p
}
