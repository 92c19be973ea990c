package airgap

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/ui"
)

// Options say where a kit is built and shown.
type Options struct {
	// CacheDir holds the build steps; empty means kit in the user's cache.
	CacheDir string
	// KitDir receives artifacts.json, bin/ and charts/; empty means paths.Kit().
	KitDir string
	// UI shows progress; nil is silent.
	UI *ui.Printer
}

func (o Options) withDefaults() Options {
	if o.CacheDir == "" {
		o.CacheDir = filepath.Join(paths.Cache(), "kit")
	}
	if o.KitDir == "" {
		o.KitDir = paths.Kit()
	}
	return o
}

// staleAfter is how long the results of another version of the program are kept.
const staleAfter = 14 * 24 * time.Hour

// Build brings the kit up to date and returns its description, and whether anything
// changed. Without changes it takes well under two seconds. A failed step is a
// *StepError.
func Build(ctx context.Context, o Options) (set *artifacts.Set, changed bool, err error) {
	o = o.withDefaults()
	l, steps, err := load(ctx)
	if err != nil {
		return nil, false, err
	}
	e := &engine{store: store{o.CacheDir}, ui: o.UI, lanes: 1, sweep: func(ctx context.Context) error {
		client, err := docker.Find(ctx)
		if err != nil {
			return err
		}
		return removeBuildContainers(ctx, client, o.CacheDir)
	}}
	done, err := e.build(ctx, steps)
	if err != nil {
		return nil, false, err
	}
	key, err := keys(steps)
	if err != nil {
		return nil, false, err
	}
	built := false
	for _, r := range done {
		built = built || r.built
	}
	whole := kitKey(key)
	if set, err := artifacts.Load(o.KitDir); err == nil && set.Key == whole && !built {
		return set, false, nil
	}
	if err := assemble(o.KitDir, l, whole, steps, done); err != nil {
		return nil, false, fmt.Errorf("put the kit together: %w", err)
	}
	if err := e.store.prune(key, staleAfter); err != nil {
		return nil, false, fmt.Errorf("remove old results: %w", err)
	}
	if err := pruneImages(ctx, done, staleAfter); err != nil {
		return nil, false, fmt.Errorf("remove old node images: %w", err)
	}
	if set, err = artifacts.Load(o.KitDir); err != nil {
		return nil, false, err
	}
	for _, n := range set.Notes {
		o.UI.Info(n)
	}
	return set, true, nil
}

// load reads the lock and lays out the steps.
func load(ctx context.Context) (*lock, []Step, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, nil, fmt.Errorf("the airgap kit is built on Linux on amd64 only, this is %s on %s: use `--artifacts registry`", runtime.GOOS, runtime.GOARCH)
	}
	l, err := readLock()
	if err != nil {
		return nil, nil, err
	}
	toolchain, err := goToolchain(ctx)
	if err != nil {
		return nil, nil, err
	}
	return l, recipe(l, toolchain), nil
}

// kitKey is one key over all steps.
func kitKey(key map[string]string) string {
	var b strings.Builder
	for _, name := range sortedKeys(key) {
		fmt.Fprintln(&b, name, key[name])
	}
	return digest([]byte(b.String()))
}

// kitBinaries maps an executable of the kit to the step whose file, named like the
// step, it is, and to the lock's version.
var kitBinaries = map[string]struct{ step, version string }{
	"etcd":                    {"etcd", "etcd"},
	"helm":                    {"helm", "helm"},
	"istioctl":                {"istioctl", "istio"},
	"kind":                    {"kind", "kind"},
	"kubectl":                 {stepKubernetes, "kubernetes"},
	"kube-apiserver":          {stepKubernetes, "kubernetes"},
	"kube-controller-manager": {stepKubernetes, "kubernetes"},
	"pulumi":                  {"pulumi", "pulumi"},
	"pulumi-language-go":      {"pulumi-language-go", "pulumi"},
}

// assemble links the results into the kit's directory and describes them, the
// description last.
func assemble(dir string, l *lock, key string, steps []Step, done map[string]result) error {
	v := l.Versions
	set := &artifacts.Set{
		Version: artifacts.FormatVersion, Source: artifacts.SourceAirgap,
		Kubernetes: v["kubernetes"], Istio: v["istio"], MetalLB: v["metallb"],
		Images: map[string]artifacts.Image{}, IstioHub: istioHub, IstioTag: v["istio"],
		Charts: map[string]artifacts.Chart{}, Binaries: map[string]artifacts.Binary{},
		Archives: map[string]string{}, Key: key,
	}
	for _, s := range steps {
		r := done[s.Name].record
		set.Steps = append(set.Steps, artifacts.StepTime{Name: s.Name, Seconds: float64(int(r.Seconds*10)) / 10})
	}
	list, err := os.ReadFile(filepath.Join(done[stepNodeRootfs].dir, packagesFile))
	if err != nil {
		return err
	}
	set.Notes = comparePackages(l.Debian.Packages, list)
	for _, name := range sortedKeys(kitBinaries) {
		from := kitBinaries[name]
		b, err := addFile(dir, "bin/"+name, filepath.Join(done[from.step].dir, from.step))
		if err != nil {
			return err
		}
		b.Version = v[from.version]
		set.Binaries[name] = b
	}
	if err := addCharts(dir, set, done, "istio-charts", "metallb-charts"); err != nil {
		return err
	}
	if err := addImages(dir, set, v, done); err != nil {
		return err
	}
	data, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, artifacts.File), append(data, '\n'), 0o644, renameio.WithTempDir(dir))
}

func addFile(dir, rel, from string) (artifacts.Binary, error) {
	to := filepath.Join(dir, filepath.FromSlash(rel))
	if err := linkOrCopy(from, to); err != nil {
		return artifacts.Binary{}, err
	}
	sum, size, err := fileDigest(to)
	return artifacts.Binary{Path: rel, SHA256: sum, Size: size}, err
}

func addCharts(dir string, set *artifacts.Set, done map[string]result, steps ...string) error {
	for _, step := range steps {
		packed, err := filepath.Glob(filepath.Join(done[step].dir, "*.tgz"))
		if err != nil {
			return err
		}
		for _, from := range packed {
			file := filepath.Base(from)
			// <name>-<version>.tgz; no chart in use has a digit after a dash in its name.
			name, version, _ := strings.Cut(strings.TrimSuffix(file, ".tgz"), "-")
			b, err := addFile(dir, "charts/"+file, from)
			if err != nil {
				return err
			}
			set.Charts[name] = artifacts.Chart{Name: name, Version: version, Path: b.Path, Digest: "sha256:" + b.SHA256}
		}
	}
	return nil
}

func addImages(dir string, set *artifacts.Set, v map[string]string, done map[string]result) error {
	var built []builtImage
	if err := readJSON(filepath.Join(done[stepWorkloads].dir, imagesFile), &built); err != nil {
		return err
	}
	described := map[string]builtImage{}
	for _, b := range built {
		for _, name := range b.Names {
			described[name] = b
		}
	}
	for role, name := range workloadNames(v) {
		b, ok := described[name]
		if !ok {
			return fmt.Errorf("no image %s was composed", name)
		}
		set.Images[role] = artifacts.Image{Name: name, Digest: b.Digest, Size: b.Size}
	}
	for _, step := range []string{stepNode, stepNodeStock} {
		var m madeImage
		if err := readJSON(filepath.Join(done[step].dir, imageFileName), &m); err != nil {
			return err
		}
		set.Images[step] = artifacts.Image{Name: m.Name, Digest: m.ID, Size: m.Size}
	}
	set.NodeImage = set.Images[stepNode]
	delete(set.Images, stepNode)
	set.Archives["workloads"] = "images/workloads.tar"
	return linkOrCopy(filepath.Join(done[stepWorkloads].dir, archiveFile), filepath.Join(dir, "images", "workloads.tar"))
}
