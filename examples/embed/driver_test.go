package shop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/labtest"
)

// oneCluster is the smallest lab: its sample answers within it.
const oneCluster = `[{"name":"cluster1","network":"network1"}]`

// TestTwoLabsAtOnce: labs of one process do not disturb each other.
func TestTwoLabsAtOnce(t *testing.T) {
	live(t)
	for _, name := range []string{"one", "other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := labtest.Start(t, labtest.Config("clusters", oneCluster))
			if got := len(lab.Clusters); got != 1 {
				t.Errorf("%d clusters, want 1", got)
			}
		})
	}
}

// TestCancellation: a cancelled Up returns within five seconds and leaves a lab
// that can be destroyed.
func TestCancellation(t *testing.T) {
	live(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{}, 1)
	lab, err := automation.New(ctx, automation.Options{
		Name:   "embed-cancel",
		Config: map[string]string{"clusters": oneCluster},
		Events: func(e automation.Event) {
			if e.Kind == automation.EventStart && e.Type == "meshwright:kind:Cluster" {
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := lab.Up(ctx)
		result <- err
	}()
	select {
	case <-begun:
	case err := <-result:
		t.Fatalf("up ended before a cluster was begun: %v", err)
	}
	time.Sleep(3 * time.Second) // into the middle of it
	cancelled := time.Now()
	cancel()
	err = <-result
	if took := time.Since(cancelled); took > 5*time.Second {
		t.Errorf("cancelling took %s", took)
	}
	var interrupted *automation.InterruptedError
	if !errors.As(err, &interrupted) {
		t.Errorf("up: %v, want an interruption", err)
	}
	again, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	// The providers take what was half made away; until then the lab is locked.
	for {
		_, err := lab.Destroy(again)
		var locked *automation.LockedError
		if !errors.As(err, &locked) {
			if err != nil {
				t.Errorf("destroy: %v", err)
			}
			return
		}
		select {
		case <-again.Done():
			t.Fatalf("destroy: %v", err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}
