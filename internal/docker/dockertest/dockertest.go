// Package dockertest gives tests a live Docker daemon. A test skips, with the
// reason, where there is none; with MESHWRIGHT_REQUIRE_DOCKER=1, which
// `make test` sets, it fails instead, so that the skip cannot hide anything.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/docker"
)

// Client returns a client of the daemon that the machine has.
func Client(t testing.TB) *docker.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := docker.Find(ctx)
	if err == nil {
		return client
	}
	if os.Getenv("MESHWRIGHT_REQUIRE_DOCKER") == "1" {
		t.Fatalf("a Docker daemon is required: %v", err)
	}
	t.Skipf("no Docker daemon: %v", err)
	return nil
}

// Name returns a name that no other test run uses.
func Name(prefix string) string {
	return fmt.Sprintf("mwtest-%s-%08x", prefix, rand.Uint32())
}

// program is the only file of the image that Image makes.
const program = `package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	switch os.Args[1] {
	case "wait": // until told to stop
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("waiting")
		<-c
	case "echo": // stdin, then the arguments
		io.Copy(os.Stdout, os.Stdin)
		fmt.Print(os.Args[2:])
	case "cat":
		data, err := os.ReadFile(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Stdout.Write(data)
	case "fail":
		fmt.Fprintln(os.Stderr, "as asked")
		os.Exit(7)
	}
}
`

// Image imports an image of a few megabytes whose /t takes "wait", "echo ARGS",
// "cat FILE" or "fail", and removes it after the test. It needs no registry.
func Image(t testing.TB, client *docker.Client) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "t"), source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the test image's program: %v\n%s", err, out)
	}
	binary, err := os.ReadFile(filepath.Join(dir, "t"))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "t", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ref := Name("image") + ":1"
	load := client.Command(t.Context(), "import", "-", ref)
	load.Stdin = &archive
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("importing the test image: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		// A daemon that the test has stopped took the image along.
		if err := client.RemoveImage(ctx, ref); err != nil && !errors.Is(err, docker.ErrUnreachable) {
			t.Errorf("removing the test image: %v", err)
		}
	})
	return ref
}
