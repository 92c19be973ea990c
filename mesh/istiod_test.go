package mesh

import "testing"

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
