package verify

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meshwright/meshwright/internal/testkit/golden"
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
			report := f.run(t, f.options())
			var b bytes.Buffer
			if err := report.Table(&b, false, nil); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join("testdata", "table-"+name+".txt"), times.ReplaceAll(b.Bytes(), []byte("T")))
		})
	}
}

func TestTableColor(t *testing.T) {
	f := newFakeMesh(t)
	report := f.run(t, f.options())
	for color, want := range map[bool]bool{true: true, false: false} {
		var b bytes.Buffer
		if err := report.Table(&b, color, nil); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "\x1b["); got != want {
			t.Errorf("color %v: escape sequences %v", color, got)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	f := newFakeMesh(t)
	f.clusters["cluster1"].exec = answering("v2")
	report := f.run(t, f.options())
	var b bytes.Buffer
	if err := report.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Version != FormatVersion || back.Verdict != Fail || len(back.Checks) != len(report.Checks) {
		t.Errorf("version %d, verdict %s, %d checks", back.Version, back.Verdict, len(back.Checks))
	}
	if diff := cmp.Diff(report.Check(CheckConnectivity).Findings, back.Check(CheckConnectivity).Findings, cmpopts.IgnoreUnexported(Finding{})); diff != "" {
		t.Errorf("findings (-wrote +read):\n%s", diff)
	}
}
