package airgap

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testRun(t *testing.T, results map[string]string) *Run {
	t.Helper()
	return &Run{
		Dir: t.TempDir(), Temp: t.TempDir(), Key: digest(nil), Log: io.Discard,
		Update: func(string) {}, results: results,
	}
}

// untar returns the regular files and links of an archive; a link's content is
// "-> target".
func untar(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			if _, twice := out[h.Name]; twice {
				t.Errorf("%s is in the archive twice", h.Name)
			}
			out[h.Name] = string(data)
		case tar.TypeSymlink:
			out[h.Name] = "-> " + h.Linkname
		}
	}
}

func TestImageArchive(t *testing.T) {
	step := t.TempDir()
	writeFile(t, filepath.Join(step, "tool"), "an executable")
	var rootfs bytes.Buffer
	w := tar.NewWriter(&rootfs)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(step, "rootfs.tar"), rootfs.String())
	action := imageArchive{Images: []imageDef{
		{
			Names: []string{"example/tool:1", "example/alias:1"}, Rootfs: "base",
			Files:  []imageFile{file("/usr/bin/tool", "base", "tool"), {To: "/usr/bin/t", Link: "tool"}, {To: "/etc/x", Text: "x\n", Mode: 0o644}},
			Config: runConfig{User: "1:1", Entrypoint: []string{"/usr/bin/tool"}},
		},
		{Names: []string{"example/scratch:1"}, Files: []imageFile{file("/tool", "base", "tool")}},
	}}
	build := func() ([]byte, []builtImage) {
		r := testRun(t, map[string]string{"base": step})
		if err := action.Run(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(r.Dir, archiveFile))
		if err != nil {
			t.Fatal(err)
		}
		var built []builtImage
		if err := readJSON(filepath.Join(r.Dir, imagesFile), &built); err != nil {
			t.Fatal(err)
		}
		return data, built
	}
	data, built := build()
	if again, _ := build(); !bytes.Equal(data, again) {
		t.Error("the same files gave another archive")
	}
	files := untar(t, bytes.NewReader(data))
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 2 || len(manifest[0].Layers) != 2 || len(manifest[1].Layers) != 1 {
		t.Fatalf("manifest %+v", manifest)
	}
	if diff := cmp.Diff([]string{"example/tool:1", "example/alias:1"}, manifest[0].RepoTags); diff != "" {
		t.Error(diff)
	}
	for i, m := range manifest {
		if got := "sha256:" + digest([]byte(files[m.Config])); got != built[i].Digest {
			t.Errorf("image %d: configuration is %s, described as %s", i, got, built[i].Digest)
		}
		var config struct {
			Config runConfig
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		if err := json.Unmarshal([]byte(files[m.Config]), &config); err != nil {
			t.Fatal(err)
		}
		for j, layer := range m.Layers {
			if got := "sha256:" + digest([]byte(files[layer])); got != config.RootFS.DiffIDs[j] {
				t.Errorf("image %d: layer %d is %s, the configuration says %s", i, j, got, config.RootFS.DiffIDs[j])
			}
		}
	}
	want := map[string]string{"usr/bin/tool": "an executable", "usr/bin/t": "-> tool", "etc/x": "x\n"}
	if diff := cmp.Diff(want, untar(t, bytes.NewReader([]byte(files[manifest[0].Layers[1]])))); diff != "" {
		t.Error(diff)
	}
}

func TestCharts(t *testing.T) {
	tests := map[string]struct {
		files   map[string]string
		version string
		packed  string
		want    []string
		meta    string
		fails   bool
	}{
		"version filled in": {
			files: map[string]string{
				"Chart.yaml":  "apiVersion: v2\nname: istiod\nversion: 1.0.0\nappVersion: 1.0.0\n",
				"values.yaml": "a: 1\n", "templates/x.yaml": "kind: X\n",
			},
			version: "1.31.0", packed: "istiod-1.31.0.tgz",
			want: []string{"istiod/Chart.yaml", "istiod/templates/x.yaml", "istiod/values.yaml"},
			meta: "apiVersion: v2\nname: istiod\nversion: 1.31.0\nappVersion: 1.31.0\n",
		},
		"own version kept, a dependency's too, ignored files left out": {
			files: map[string]string{
				"Chart.yaml":             "name: metallb\ndependencies:\n- name: crds\n  version: 0.1.0\nversion: 0.15.2\n",
				"charts/crds/Chart.yaml": "name: crds\nversion: 0.1.0\n",
				".helmignore":            "# editors\n*.swp\n.git/\ndocs/secret.md\n",
				"x.swp":                  "", ".git/config": "", "docs/secret.md": "", "docs/open.md": "",
			},
			packed: "metallb-0.15.2.tgz",
			want:   []string{"metallb/.helmignore", "metallb/Chart.yaml", "metallb/charts/crds/Chart.yaml", "metallb/docs/open.md"},
			meta:   "name: metallb\ndependencies:\n- name: crds\n  version: 0.1.0\nversion: 0.15.2\n",
		},
		"no version":      {files: map[string]string{"Chart.yaml": "name: x\n"}, fails: true},
		"no Chart.yaml":   {files: map[string]string{"values.yaml": ""}, fails: true},
		"negated pattern": {files: map[string]string{"Chart.yaml": "name: x\nversion: 1.0.0\n", ".helmignore": "!x\n"}, fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			src := t.TempDir()
			for f, text := range tc.files {
				writeFile(t, filepath.Join(src, "chart", f), text)
			}
			pack := func() ([]byte, error) {
				r := testRun(t, map[string]string{"src": src})
				if err := (charts{From: "src", Version: tc.version, Names: []string{"chart"}}).Run(t.Context(), r); err != nil {
					return nil, err
				}
				return os.ReadFile(filepath.Join(r.Dir, tc.packed))
			}
			data, err := pack()
			if (err != nil) != tc.fails {
				t.Fatalf("error %v", err)
			}
			if tc.fails {
				return
			}
			if again, err := pack(); err != nil || !bytes.Equal(data, again) {
				t.Errorf("packing twice differs: %v", err)
			}
			z, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			files := untar(t, z)
			if diff := cmp.Diff(tc.want, slices.Sorted(maps.Keys(files))); diff != "" {
				t.Error(diff)
			}
			if got := files[filepath.Dir(tc.want[0])+"/Chart.yaml"]; got != tc.meta {
				t.Errorf("Chart.yaml is %q", got)
			}
		})
	}
}
