package stacks

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
)

// official answers as every registry and chart repository at once.
type official struct {
	archive string // of every chart
	away    bool
}

func (o *official) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.away {
		return nil, errors.New("no route to host")
	}
	body, header := "", http.Header{}
	switch {
	case strings.HasSuffix(r.URL.Path, "/index.yaml"):
		body = "entries:\n"
		for _, c := range artifacts.Registry().Charts {
			body += fmt.Sprintf("  %s: [{version: %s, urls: [%s.tgz]}]\n", c.Name, c.Version, c.Name)
		}
	case strings.HasSuffix(r.URL.Path, ".tgz"):
		body = o.archive
	default:
		header.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
		header.Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		return &http.Response{StatusCode: http.StatusOK, Header: header, ContentLength: 7, Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestTheProgramHoldsToTheProjectsLock: the plain pulumi command runs the program
// without the driver.
func TestTheProgramHoldsToTheProjectsLock(t *testing.T) {
	t.Setenv("MESHWRIGHT_LOCK", "")
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // where a wrong one would be
	project, registries := t.TempDir(), &official{archive: "a chart"}
	before := http.DefaultTransport
	http.DefaultTransport = registries
	t.Cleanup(func() { http.DefaultTransport = before })
	run := func(preview bool) error {
		return pulumi.RunErr(Program, pulumi.WithMocks("meshwright", "lab", &recorder{}), func(info *pulumi.RunInfo) {
			info.Config, info.RootDirectory, info.DryRun = stackConfig(t, "dev"), project, preview
			info.Config["meshwright:artifacts"] = artifacts.SourceRegistry
		})
	}
	registries.away = true
	if err := run(true); err != nil {
		t.Errorf("preview without a registry: %v", err)
	}
	if err := run(false); err == nil {
		t.Error("an up without a registry, and nothing locked")
	}
	registries.away = false
	if err := run(false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(project, "images.lock.json"))
	for _, c := range artifacts.Registry().Charts {
		if !strings.Contains(string(text), c.Repo+"/"+c.Name+":"+c.Version) {
			t.Errorf("%s is not locked: %s, %v", c.Name, text, err)
		}
	}
	registries.archive = "another chart"
	for _, preview := range []bool{true, false} {
		if err := run(preview); !errors.Is(err, imagelock.ErrChanged) {
			t.Errorf("preview %t with a chart that has changed: %v", preview, err)
		}
	}
}
