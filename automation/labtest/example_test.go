package labtest_test

import (
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/automation/labtest"
	"github.com/meshwright/meshwright/automation/verify"
)

// A test of its own mesh: two clusters, one sample, destroyed at the test's end.
func ExampleStart() {
	_ = func(t *testing.T) {
		lab := labtest.Start(t, labtest.Config("clusters[0].workers", "1"), labtest.KeepOnFailure())
		lab.Verify(verify.Options{})
		for name, config := range lab.Configs() {
			if _, err := kubernetes.NewForConfig(config); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
