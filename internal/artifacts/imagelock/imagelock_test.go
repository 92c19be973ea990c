package imagelock

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// fakeDigest of a reference: well formed, and another one for each length.
func fakeDigest(reference string) string {
	return "sha256:" + strings.Repeat(string("0123456789abcdef"[len(reference)%16]), 64)
}

type asked struct {
	mu         sync.Mutex
	references []string
}

func (a *asked) resolve(_ context.Context, reference string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.references = append(a.references, reference)
	return fakeDigest(reference), nil
}

// TestPin: resolved once, and the same ever after.
func TestPin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "images.lock.json")
	var first asked
	set, err := Pin(t.Context(), artifacts.Registry(), file, first.resolve)
	if err != nil {
		t.Fatal(err)
	}
	for role, image := range set.Images {
		name, digest, ok := strings.Cut(image.Name, "@")
		if !ok || digest != fakeDigest(name) || image.Digest != digest {
			t.Errorf("%s: %+v", role, image)
		}
	}
	if len(first.references) != len(references(artifacts.Registry())) {
		t.Errorf("asked for %v", first.references)
	}
	moved := func(context.Context, string) (string, error) {
		return "", errors.New("asked again, when the tag may have moved")
	}
	again, err := Pin(t.Context(), artifacts.Registry(), file, moved)
	if err != nil || again.Images["sleep"] != set.Images["sleep"] {
		t.Errorf("second time: %v, %v", again, err)
	}
}

// TestKnown: what the file has is used, and nobody is asked for the rest.
func TestKnown(t *testing.T) {
	file := filepath.Join(t.TempDir(), Name)
	if none, err := Known(file); err != nil || none.Images["sleep"] != artifacts.Registry().Images["sleep"] {
		t.Errorf("without a file: %+v, %v", none, err)
	}
	sleep := artifacts.Registry().Images["sleep"].Name
	if err := (&lock{Version: FormatVersion, Images: map[string]string{sleep: fakeDigest(sleep)}}).write(file); err != nil {
		t.Fatal(err)
	}
	some, err := Known(file)
	if err != nil {
		t.Fatal(err)
	}
	for role, image := range some.Images {
		want := artifacts.Registry().Images[role].Name
		if role == "sleep" {
			want += "@" + fakeDigest(sleep)
		}
		if image.Name != want {
			t.Errorf("%s is %s, want %s", role, image.Name, want)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Known(file); err == nil {
		t.Error("a damaged file passes")
	}
}

func TestPinRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		file    string
		resolve Resolver
		says    string
	}{
		"registry away":   {resolve: func(context.Context, string) (string, error) { return "", errors.New("no route") }, says: "--artifacts airgap"},
		"no digest":       {resolve: func(context.Context, string) (string, error) { return "latest", nil }, says: "no digest"},
		"damaged file":    {file: "{", says: "damaged"},
		"format":          {file: `{"version": 9}`, says: "format 9"},
		"invented digest": {file: `{"version": 1, "images": {"x:1": "sha256:123"}}`, says: "for a digest"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "images.lock.json")
			if tc.file != "" {
				if err := os.WriteFile(file, []byte(tc.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Pin(t.Context(), artifacts.Registry(), file, tc.resolve)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			if text, _ := os.ReadFile(file); string(text) != tc.file {
				t.Errorf("the lock file was changed: %s", text)
			}
		})
	}
}

// TestAsk speaks to a registry that demands a token first, as the official ones do.
func TestAsk(t *testing.T) {
	want := fakeDigest("x")
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			_, _ = w.Write([]byte(`{"token": "t"}`))
		case r.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodHead && r.URL.Path == "/v2/istio/pilot/manifests/1.31.0":
			w.Header().Set("Docker-Content-Digest", want)
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			w.Header().Set("Content-Length", "7")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	if got, err := ask(t.Context(), host+"/istio/pilot:1.31.0", true); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := ask(t.Context(), host+"/istio/pilot:9.9.9", true); err == nil {
		t.Errorf("a tag that is not there has digest %s", got)
	}
}
