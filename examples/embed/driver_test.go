package shop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/labtest"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// oneCluster is the smallest lab with a sample.
const oneCluster = `[{"name":"cluster1","network":"network1","helloworld":["v1","v2"]}]`

// TestTwoLabsAtOnce creates two labs in one process. Both work; after one is destroyed,
// nothing of it remains, and the other still works.
func TestTwoLabsAtOnce(t *testing.T) {
	live(t)
	var (
		goes *automation.Lab
		life error                 // what the life of goes ended with
		up   = make(chan struct{}) // goes is up
		seen = make(chan struct{}) // the other works beside it
		gone = make(chan struct{})
	)
	go func() {
		defer close(gone)
		options := automation.Options{Name: "embed-goes", Config: map[string]string{"clusters": oneCluster}}
		life = WithMesh(t.Context(), options, func(lab *automation.Lab, _ *automation.Outputs) error {
			goes = lab
			close(up)
			select {
			case <-seen:
			case <-t.Context().Done():
			}
			return works(t.Context(), lab)
		})
	}()
	t.Cleanup(func() { <-gone })

	stays := labtest.Start(t, labtest.Config("clusters", oneCluster))
	select {
	case <-up:
	case <-gone:
		t.Fatal(life)
	}
	stays.Verify(verify.Options{})
	if found := traces(t, goes); len(found) < 3 {
		t.Errorf("of a lab that is up only this was found: %v", found)
	}
	close(seen)
	<-gone
	if life != nil {
		t.Error(life)
	}
	if found := traces(t, goes); len(found) > 0 {
		t.Errorf("left of the lab: %v", found)
	}
	stays.Verify(verify.Options{})
}

// works verifies a lab.
func works(ctx context.Context, lab *automation.Lab) error {
	seen, err := lab.Verify(ctx, verify.Options{})
	if err != nil {
		return err
	}
	if seen.Verdict == report.Pass {
		return nil
	}
	var text strings.Builder
	err = seen.Table(&text, report.Options{})
	return errors.Join(fmt.Errorf("lab %s: %s\n%s", lab.Name(), seen.Verdict, text.String()), err)
}

// traces returns what Docker and the file system have of a lab, by kind: "containers",
// "networks" and "files".
func traces(t *testing.T, lab *automation.Lab) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(lab.Dir() + "*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{
		"containers": docker(t, "ps", "--all", "--filter", "name=^"+lab.Name()+"-", "--format", "{{.Names}}"),
		"networks":   docker(t, "network", "ls", "--filter", "label=dev.meshwright.lab="+lab.Name(), "--format", "{{.Name}}"),
		"files":      files,
	}
	maps.DeleteFunc(found, func(_ string, names []string) bool { return len(names) == 0 })
	return found
}

// docker asks the daemon that the driver uses: the docker command's default or, if that
// does not answer, the daemon that `meshwright setup` started.
func docker(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).Output()
	if err != nil && os.Getenv("DOCKER_HOST") == "" {
		args = append([]string{"--host", "unix:///run/meshwright/docker.sock"}, args...)
		out, err = exec.CommandContext(t.Context(), "docker", args...).Output()
	}
	if err != nil {
		t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}

// TestCancellation: a cancelled Up returns within five seconds at any stage, and leaves a
// lab that can be destroyed completely.
func TestCancellation(t *testing.T) {
	live(t)
	for name, typ := range map[string]string{
		"cancel-node":  "meshwright:kind:Cluster",
		"cancel-chart": "kubernetes:helm.sh/v3:Release",
	} {
		t.Run(name, func(t *testing.T) { cancelled(t, name, typ) })
	}
}

// cancelled creates a lab and cancels it while a resource of the type is created.
func cancelled(t *testing.T, name, typ string) {
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	lab, err := automation.New(t.Context(), automation.Options{
		Name:   name,
		Config: map[string]string{"clusters": oneCluster},
		Events: func(e automation.Event) {
			if e.Kind == automation.EventStart && e.Type == typ {
				begin()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := takeAway(context.Background(), lab); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := lab.Up(ctx)
		result <- err
	}()
	// Cancel after some objects exist that must be removed in the end.
	deadline := time.After(2 * time.Minute)
	for there := 0; there < 3; {
		select {
		case <-begun:
			time.Sleep(time.Second)
			there = len(traces(t, lab))
		case err := <-result:
			t.Fatalf("up ended before a %s was begun: %v", typ, err)
		case <-deadline:
			t.Fatalf("no %s was begun, or only this was made by then: %v", typ, traces(t, lab))
		}
	}
	cancel()
	began := time.Now()
	err = <-result
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("cancelling took %s", took)
	}
	var interrupted *automation.InterruptedError
	if !errors.As(err, &interrupted) {
		t.Errorf("up: %v, want an interruption", err)
	}
	if err := takeAway(t.Context(), lab); err != nil {
		t.Errorf("destroy: %v", err)
	}
	if found := traces(t, lab); len(found) > 0 {
		t.Errorf("left of the lab: %v", found)
	}
}
