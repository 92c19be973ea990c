package verify

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/meshwright/meshwright/internal/testkit/golden"
	"github.com/meshwright/meshwright/report"
)

func TestTable(t *testing.T) {
	cases := map[string]func(*fakeMesh){
		"pass": func(*fakeMesh) {},
		"fail": func(f *fakeMesh) {
			f.clusters["cluster1"].exec = answering("v2", "")
			none := int32(0)
			f.clusters["cluster2"].deployment("istio-eastwestgateway").Spec.Replicas = &none
		},
	}
	times := regexp.MustCompile(`[0-9]+\.[0-9]s|sha256 [0-9a-f]{12}`)
	for name, wreck := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			wreck(f)
			result := f.run(t, f.options())
			var b bytes.Buffer
			if err := result.Table(&b, report.Options{}); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join("testdata", "table-"+name+".txt"), times.ReplaceAll(b.Bytes(), []byte("T")))
		})
	}
}
