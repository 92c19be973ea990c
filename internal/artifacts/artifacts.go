// Package artifacts describes the images, charts and executables of a lab, from an airgap
// kit built on this machine or from the official registries. It holds names, versions and
// digests only; it neither builds nor downloads anything.
package artifacts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is the name of a kit's description inside the kit's directory.
const File = "artifacts.json"

// FormatVersion is the artifacts.json format that this program reads and writes.
const FormatVersion = 1

// Sources of a set.
const (
	SourceAirgap   = "airgap"
	SourceRegistry = "registry"
)

// Keys of Set.Images, Set.Charts and Set.Binaries that every airgap kit fills in.
var (
	ImageKeys  = []string{"helloworld-v1", "helloworld-v2", "load", "metallb-controller", "metallb-speaker", "pilot", "proxyv2", "sleep"}
	ChartKeys  = []string{"base", "gateway", "istiod", "metallb"}
	BinaryKeys = []string{"etcd", "istioctl", "kind", "kube-apiserver", "kubectl", "pulumi", "pulumi-language-go"}
)

// ErrNoKit means that no kit has been built in the directory asked for.
var ErrNoKit = errors.New("no airgap kit")

// Set is everything a lab is made of.
type Set struct {
	// Version is the format of this description.
	Version int `json:"version"`
	// Source is SourceAirgap or SourceRegistry.
	Source string `json:"source"`
	// Kubernetes is written with a leading v, Istio without, MetalLB with.
	Kubernetes string `json:"kubernetes"`
	Istio      string `json:"istio"`
	MetalLB    string `json:"metallb"`
	// NodeImage is the image of a kind node; its Name is what kind is given.
	NodeImage Image `json:"nodeImage"`
	// Images are the workloads' images by role; see ImageKeys. An airgap kit adds
	// "node-stock": a node image that holds no workload images.
	Images map[string]Image `json:"images"`
	// IstioHub and IstioTag are the charts' global.hub and global.tag.
	IstioHub string `json:"istioHub"`
	IstioTag string `json:"istioTag"`
	// Charts by role; see ChartKeys.
	Charts map[string]Chart `json:"charts"`
	// Binaries by name; see BinaryKeys. Empty for SourceRegistry.
	Binaries map[string]Binary `json:"binaries,omitempty"`
	// Archives are image archives, as `docker save` makes them, relative to the
	// kit: "workloads" holds every image of Images.
	Archives map[string]string `json:"archives,omitempty"`
	// Key identifies what an airgap kit was made from; empty for SourceRegistry.
	Key string `json:"key,omitempty"`
	// Steps says how long each part of an airgap kit took to build.
	Steps []StepTime `json:"steps,omitempty"`
	// Notes are what the builder wants its user to know, for example that a
	// package mirror served another version than the lock names.
	Notes []string `json:"notes,omitempty"`

	dir string
}

// Image names a container image.
type Image struct {
	// Name is the reference, with its tag.
	Name string `json:"name"`
	// Digest is "sha256:<hex>": an airgap image's configuration digest, which is
	// what Docker and containerd call its ID; empty while it is not resolved.
	Digest string `json:"digest,omitempty"`
	// Size is in bytes; zero when it is not known.
	Size int64 `json:"size,omitempty"`
	// Architecture is the only one that the image is published for, as Go names
	// it; empty where nothing is known of such a limit.
	Architecture string `json:"architecture,omitempty"`
}

// Chart names a Helm chart, by repository or by file.
type Chart struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Repo is the chart repository's URL, for SourceRegistry.
	Repo string `json:"repo,omitempty"`
	// Path is the packaged chart's path relative to the kit, for SourceAirgap,
	// with forward slashes.
	Path string `json:"path,omitempty"`
	// Digest is "sha256:<hex>" of the packaged chart.
	Digest string `json:"digest,omitempty"`
}

// Binary is an executable of the kit.
type Binary struct {
	// Path is relative to the kit, with forward slashes.
	Path    string `json:"path"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// StepTime is the cost of one build step. Seconds is wall time of the run that
// built it, which a later run that reuses the result repeats.
type StepTime struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Load reads the description of the kit in kitDir. The error wraps ErrNoKit when
// there is none, and every error says what to run next.
func Load(kitDir string) (*Set, error) {
	path := filepath.Join(kitDir, File)
	data, err := os.ReadFile(path) //nolint:gosec // the kit's directory is the caller's choice
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s: run `meshwright airgap build`", ErrNoKit, kitDir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the airgap kit's description: %w; to write it again, run: meshwright airgap build", err)
	}
	var s Set
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; to write it again, run: meshwright airgap build", path, err)
	}
	if s.Version != FormatVersion {
		return nil, fmt.Errorf("%s has format %d, this program reads %d: run `meshwright airgap build`", path, s.Version, FormatVersion)
	}
	s.dir = kitDir
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w; run `meshwright airgap build`", path, err)
	}
	return &s, nil
}

// Pinned reports whether the images are named by digest, so that a chart has to be
// given whole references instead of a hub and a tag.
func (s *Set) Pinned() bool { return strings.Contains(s.Images["pilot"].Name, "@") }

// Image is the image of a role; the error names one that the set does not hold.
func (s *Set) Image(role string) (Image, error) {
	if s == nil {
		return Image{}, errNoSet
	}
	return held("image", role, s.Images)
}

// Chart is the chart of a role; the error names one that the set does not hold.
func (s *Set) Chart(role string) (Chart, error) {
	if s == nil {
		return Chart{}, errNoSet
	}
	return held("chart", role, s.Charts)
}

var errNoSet = errors.New("no artifacts are given: components/artifacts.Registry has the official ones")

func held[V any](kind, role string, in map[string]V) (V, error) {
	v, ok := in[role]
	if !ok {
		return v, fmt.Errorf("the artifacts hold no %s %s; build them again: meshwright airgap build", kind, role)
	}
	return v, nil
}

// Dir is the directory the set was loaded from; empty for a set that was not.
func (s *Set) Dir() string { return s.dir }

// BinaryPath is the absolute path of the named executable of a loaded kit.
func (s *Set) BinaryPath(name string) (string, error) {
	b, ok := s.Binaries[name]
	if !ok || s.dir == "" {
		return "", fmt.Errorf("the %s artifacts hold no %s: run `meshwright airgap build`", s.Source, name)
	}
	return filepath.Join(s.dir, filepath.FromSlash(b.Path)), nil
}

// check reports the first thing that a lab needs and the set does not hold.
func (s *Set) check() error {
	if s.NodeImage.Name == "" {
		return errors.New("no node image is named")
	}
	if missing := absent(ImageKeys, s.Images); missing != "" {
		return fmt.Errorf("image %s is missing", missing)
	}
	if missing := absent(ChartKeys, s.Charts); missing != "" {
		return fmt.Errorf("chart %s is missing", missing)
	}
	if s.Source != SourceAirgap {
		return nil
	}
	if missing := absent(BinaryKeys, s.Binaries); missing != "" {
		return fmt.Errorf("executable %s is missing", missing)
	}
	for _, path := range s.Files() {
		if _, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(path))); err != nil {
			return fmt.Errorf("a file of the kit is gone: %w", err)
		}
	}
	return nil
}

// Files lists the kit's files that the set names, relative to the kit, sorted.
func (s *Set) Files() []string {
	var out []string
	for _, c := range s.Charts {
		if c.Path != "" {
			out = append(out, c.Path)
		}
	}
	for _, b := range s.Binaries {
		out = append(out, b.Path)
	}
	for _, path := range s.Archives {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

func absent[V any](keys []string, in map[string]V) string {
	for _, k := range keys {
		if _, ok := in[k]; !ok {
			return k
		}
	}
	return ""
}
