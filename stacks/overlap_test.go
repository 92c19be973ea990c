package stacks

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// slow is an engine in which one resource is made only once another has been.
type slow struct {
	recorder
	held, until string
	once        sync.Once
	reached     chan struct{}
	late        bool
}

func (s *slow) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.Name == s.until {
		s.once.Do(func() { close(s.reached) })
	}
	if args.Name == s.held {
		select {
		case <-s.reached:
		case <-time.After(time.Minute):
			s.late = true
		}
	}
	return s.recorder.NewResource(args)
}

// TestWhatDoesNotDependOverlaps: the first of each pair must not hold up the second.
func TestWhatDoesNotDependOverlaps(t *testing.T) {
	for _, pair := range [][2]string{
		{"cluster1-kind", "cluster2-istio-istiod"},
		{"cluster1-metallb-release", "cluster1-sample-helloworld-v2"},
		{"cluster1-istio-base", "cluster1-ingress-release"},
		{"cluster2-istio-base", "cluster1-eastwest-release"},
		{"cluster1-ingress-release", "cluster1-sample-sleep"},
		{"cluster1-watches-cluster2-secret", "cluster1-sample-helloworld-v2"},
	} {
		held, until := pair[0], pair[1]
		t.Run(strings.Join(pair[:], " and "), func(t *testing.T) {
			t.Parallel()
			s := &slow{held: held, until: until, reached: make(chan struct{})}
			config := func(info *pulumi.RunInfo) { info.Config = stackConfig(t, "dev") }
			if err := pulumi.RunErr(ProgramWith(testArtifacts()), pulumi.WithMocks("meshwright", "lab", s), config); err != nil {
				t.Fatal(err)
			}
			if s.late {
				t.Errorf("%s waits for %s", until, held)
			}
		})
	}
}
