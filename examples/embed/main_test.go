package shop

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that whole labs come and go without leaving a goroutine.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// live skips a test unless real clusters were asked for.
func live(t *testing.T) {
	t.Helper()
	if os.Getenv("MESHWRIGHT_E2E") == "" {
		t.Skip("set MESHWRIGHT_E2E=1 to run on real clusters")
	}
}
