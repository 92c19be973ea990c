package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/airgap"
	"github.com/meshwright/meshwright/internal/artifacts"
)

func TestAirgapTable(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ready := airgap.StepStatus{Name: "etcd", State: airgap.StateReady, Size: 26 << 20, Seconds: 23.4, Finished: now.Add(-90 * time.Minute)}
	tests := map[string]struct {
		steps []airgap.StepStatus
		want  string
	}{
		"all ready": {[]airgap.StepStatus{ready}, `STEP  STATE  SIZE      TOOK  AGE
etcd  ready  26.0 MiB  23s   1h30m

1 of 1 steps are ready, 26.0 MiB.
`},
		"one missing": {[]airgap.StepStatus{ready, {Name: "node", State: airgap.StateMissing}}, `STEP  STATE    SIZE      TOOK  AGE
etcd  ready    26.0 MiB  23s   1h30m
node  missing  -         -     -

1 of 2 steps are ready, 26.0 MiB.
Build the rest with: meshwright airgap build
`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := airgapTable(&b, tc.steps, now); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKitTableNamesImageAndTimes(t *testing.T) {
	set := &artifacts.Set{
		Kubernetes: "v1.35.4", Istio: "1.31.0", MetalLB: "v0.15.2",
		NodeImage: artifacts.Image{Name: "meshwright/node:x", Size: 3 << 29},
		Steps:     []artifacts.StepTime{{Name: "kubernetes", Seconds: 371.2}},
	}
	var b strings.Builder
	if err := kitTable(&b, set, 20*time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"kubernetes  6m11s", "meshwright/node:x, 1.5 GiB", "after 20m00s"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the table lacks %q:\n%s", part, b.String())
		}
	}
}
