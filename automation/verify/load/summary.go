package load

import (
	"math"
	"slices"
	"time"
)

// Places says where an instance runs; it returns "" for what it does not know.
type Places func(instance string) (cluster, region string)

// Unknown counts answers whose place could not be found out.
const Unknown = "?"

// Summary counts records. Its maps count answers by what gave them, and failed
// requests by their text.
type Summary struct {
	Requests int `json:"requests"`
	Answers  int `json:"answers"` // records that are OK
	Lost     int `json:"lost"`    // all others

	ByVersion  map[string]int `json:"byVersion"`
	ByInstance map[string]int `json:"byInstance"`
	ByCluster  map[string]int `json:"byCluster"`
	ByRegion   map[string]int `json:"byRegion"`
	Errors     map[string]int `json:"errors,omitempty"`

	// P50 and P99 are latencies of the answers by nearest rank, in milliseconds;
	// set by End.
	P50 float64 `json:"p50Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`

	places Places
	took   []time.Duration
}

// NewSummary returns an empty summary. places may be nil: then every place is
// Unknown.
func NewSummary(places Places) *Summary {
	return &Summary{
		ByVersion: map[string]int{}, ByInstance: map[string]int{}, ByCluster: map[string]int{},
		ByRegion: map[string]int{}, Errors: map[string]int{}, places: places,
	}
}

// Add counts a record. It fits Source.Run, which makes one call at a time.
func (s *Summary) Add(r Record) {
	s.Requests++
	if !r.OK() {
		s.Lost++
		s.Errors[r.Error]++
		return
	}
	s.Answers++
	s.took = append(s.took, r.Latency)
	var cluster, region string
	if s.places != nil {
		cluster, region = s.places(r.Instance)
	}
	s.ByVersion[r.Version]++
	s.ByInstance[orUnknown(r.Instance)]++
	s.ByCluster[orUnknown(cluster)]++
	s.ByRegion[orUnknown(region)]++
}

// End computes what needs all records; call it after the last Add.
func (s *Summary) End() {
	slices.Sort(s.took)
	s.P50, s.P99 = percentile(s.took, 50), percentile(s.took, 99)
}

func orUnknown(name string) string {
	if name == "" {
		return Unknown
	}
	return name
}

// percentile is the p-th percentile of sorted durations by nearest rank, in
// milliseconds.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return math.Round(float64(sorted[max(rank, 1)-1])/1e3) / 1e3 // to the microsecond
}
