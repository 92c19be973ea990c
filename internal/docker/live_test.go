package docker_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/dockertest"
)

// fresh bounds clean-up, which must also run when the test's context has ended.
func fresh() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

func TestNetwork(t *testing.T) {
	client, ctx := dockertest.Client(t), t.Context()
	name := dockertest.Name("net")
	labels := map[string]string{"dev.meshwright.test": name}
	t.Cleanup(func() {
		ctx, cancel := fresh()
		defer cancel()
		if err := client.RemoveNetwork(ctx, name); err != nil {
			t.Error(err)
		}
	})
	// A range of TEST-NET-3, so that it meets no lab's.
	spec := docker.NetworkSpec{Name: name, Subnet: "203.0.113.0/27", IPRange: "203.0.113.0/28", Labels: labels}
	id, err := client.CreateNetwork(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	network, err := client.Network(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if network.ID != id {
		t.Errorf("created %s, inspected %s", id, network.ID)
	}
	if diff := cmp.Diff(labels, network.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	want := []struct{ Subnet, IPRange, Gateway string }{{"203.0.113.0/27", "203.0.113.0/28", "203.0.113.1"}}
	got := network.IPAM.Config
	if len(got) == 1 && got[0].Gateway == "" {
		want[0].Gateway = "" // engines differ in whether they show a default gateway
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("address ranges (-want +got):\n%s", diff)
	}
	if _, err := client.CreateNetwork(ctx, spec); !errors.Is(err, docker.ErrConflict) {
		t.Errorf("second of that name: error %v, want ErrConflict", err)
	}
	spec.Name += "-2"
	if _, err := client.CreateNetwork(ctx, spec); !errors.Is(err, docker.ErrConflict) {
		t.Errorf("second of that range: error %v, want ErrConflict", err)
	}
	for key, filter := range map[string]struct {
		labels map[string]string
		want   int
	}{
		"value":       {labels, 1},
		"any value":   {map[string]string{"dev.meshwright.test": ""}, 1},
		"other value": {map[string]string{"dev.meshwright.test": "other"}, 0},
	} {
		found, err := client.Networks(ctx, filter.labels)
		if err != nil {
			t.Fatal(err)
		}
		if n := countNamed(found, name); n != filter.want {
			t.Errorf("list by %s: found it %d times, want %d", key, n, filter.want)
		}
	}
	for range 2 { // the second time it is gone already
		if err := client.RemoveNetwork(ctx, name); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if _, err := client.Network(ctx, name); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("after removal: error %v, want ErrNotFound", err)
	}
}

func countNamed(networks []docker.Network, name string) int {
	n := 0
	for _, network := range networks {
		if network.Name == name {
			n++
		}
	}
	return n
}

func TestContainer(t *testing.T) {
	client, ctx := dockertest.Client(t), t.Context()
	image := dockertest.Image(t, client)
	name := dockertest.Name("ctr")
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "owner.json"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := fresh()
		defer cancel()
		if err := client.Remove(ctx, name); err != nil {
			t.Error(err)
		}
	})
	// Privileged, as kind's nodes are: this is what needs the runtime wrapper
	// where a capability is missing.
	_, err := client.Run(ctx, "run", "--detach", "--privileged", "--name", name, "--label", "dev.meshwright.test="+name,
		"--volume", source+":/etc/meshwright:ro", "--volume", "/var/lib/anonymous", image, "/t", "wait")
	if err != nil {
		t.Fatal(err)
	}
	container, err := client.Container(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if container.Name != name || !container.State.Running || container.State.Pid == 0 || container.Networks["bridge"].IPAddress == "" {
		t.Errorf("not the running container: %+v", container)
	}

	for asked, want := range map[string]bool{name: true, name + "-x": false} {
		if taken, err := client.NameTaken(ctx, asked, image); taken != want || err != nil {
			t.Errorf("%s is taken: %t, %v", asked, taken, err)
		}
	}
	if _, err := client.Container(ctx, name+"-x"); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("asking made a container: %v", err)
	}

	filters := map[string]struct {
		filter docker.Filter
		want   bool
	}{
		"label":         {docker.Filter{Labels: map[string]string{"dev.meshwright.test": name}}, true},
		"mount":         {docker.Filter{MountTarget: "/etc/meshwright", Running: true}, true},
		"other network": {docker.Filter{Network: "none", Labels: map[string]string{"dev.meshwright.test": name}}, false},
	}
	for key, tc := range filters {
		found, err := client.Containers(ctx, tc.filter)
		if err != nil {
			t.Fatal(err)
		}
		has := false
		for _, c := range found {
			has = has || c.ID == container.ID
		}
		if has != tc.want {
			t.Errorf("list by %s: found is %t, want %t", key, has, tc.want)
		}
	}

	var stdout bytes.Buffer
	err = client.Exec(ctx, name, docker.ExecOptions{
		Stdin: strings.NewReader("in "), Stdout: &stdout,
	}, "/t", "echo", "a b", "c")
	if err != nil || stdout.String() != "in [a b c]" {
		t.Errorf("exec: %q, %v", stdout.String(), err)
	}
	var failed *docker.CommandError
	if _, err := client.Output(ctx, name, "/t", "fail"); !errors.As(err, &failed) || !strings.Contains(err.Error(), "as asked") {
		t.Errorf("a failing command's stderr is lost: %v", err)
	}
	if out, err := client.Output(ctx, name, "/t", "cat", "/etc/meshwright/owner.json"); err != nil || string(out) != "mine" {
		t.Errorf("mounted file: %q, %v", out, err)
	}
	back := filepath.Join(t.TempDir(), "back")
	if err := client.CopyFrom(ctx, name, "/etc/meshwright/owner.json", back); err != nil {
		t.Error(err)
	}
	if err := client.CopyFrom(ctx, name, "/etc/meshwright/absent", back); !errors.Is(err, docker.ErrNoFile) || errors.Is(err, docker.ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := client.CopyFrom(ctx, name+"-x", "/etc/meshwright/owner.json", back); !errors.Is(err, docker.ErrNotFound) || errors.Is(err, docker.ErrNoFile) {
		t.Errorf("a container that is not there: %v", err)
	}
	if data, err := os.ReadFile(back); err != nil || string(data) != "mine" {
		t.Errorf("copied back: %q, %v", data, err)
	}

	if err := errors.Join(client.Stop(ctx, name, 5*time.Second), client.Start(ctx, name)); err != nil {
		t.Error(err)
	}
	if logs, err := client.Command(ctx, "logs", name).CombinedOutput(); err != nil || strings.Count(string(logs), "waiting") != 2 {
		t.Errorf("logs of two starts: %q, %v", logs, err)
	}
	if err := client.Stop(ctx, name, 5*time.Second); err != nil {
		t.Error(err)
	}
	container, err = client.Container(ctx, name)
	if err != nil || container.State.Running || container.State.ExitCode != 0 {
		t.Errorf("after a stop it obeyed: %+v, %v", container, err)
	}
	volumes := 0
	for _, mount := range container.Mounts {
		if mount.Type == "volume" {
			volumes++
		}
	}
	if volumes != 1 {
		t.Errorf("anonymous volumes: %d, want 1", volumes)
	}
	for range 2 { // the second time it is gone already
		if err := client.Remove(ctx, name); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	left, err := client.Run(ctx, "volume", "ls", "--quiet")
	if err != nil {
		t.Fatal(err)
	}
	for _, mount := range container.Mounts {
		if mount.Type == "volume" && strings.Contains(string(left), mount.Name) {
			t.Errorf("volume %s stays behind", mount.Name)
		}
	}
}

func TestCancel(t *testing.T) {
	client := dockertest.Client(t)
	image := dockertest.Image(t, client)
	name := dockertest.Name("cancel")
	t.Cleanup(func() {
		ctx, cancel := fresh()
		defer cancel()
		if err := client.Remove(ctx, name); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	_, err := client.Run(ctx, "run", "--name", name, image, "/t", "wait")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestImages(t *testing.T) {
	client, ctx := dockertest.Client(t), t.Context()
	ref := dockertest.Image(t, client)
	image, err := client.Image(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{ref}, image.RepoTags); diff != "" || image.Size == 0 {
		t.Errorf("tags (-want +got), size %d:\n%s", image.Size, diff)
	}
	if _, err := client.Run(ctx, "tag", ref, ref+"-again"); err != nil {
		t.Fatal(err)
	}
	images, err := client.Images(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, i := range images {
		if i.ID == image.ID {
			n++
		}
	}
	if n != 1 {
		t.Errorf("an image with two tags is listed %d times", n)
	}
	for range 2 { // the second time it is gone already
		if err := client.RemoveImage(ctx, ref+"-again"); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if _, err := client.Image(ctx, ref+"-again"); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}
