package airgap

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// imageArchive writes images.tar, an archive like that of `docker save`, with images
// composed from files, and images.json, which describes them. It needs no daemon. The
// same files give the same bytes: times are fixed.
type imageArchive struct {
	Images []imageDef
}

// imageDef is one image: a root file system from another step, or none, and one
// layer of files.
type imageDef struct {
	// Names are the references of the image, each with a tag.
	Names []string
	// Rootfs is the step whose rootfs.tar is the lowest layer; empty for none.
	Rootfs string `json:",omitempty"`
	// Files come from other steps' results, or are given as text.
	Files []imageFile
	// Config is the image's run configuration.
	Config runConfig
}

type imageFile struct {
	To   string // absolute path in the image
	Step string `json:",omitempty"` // the step whose result holds the file From
	From string `json:",omitempty"`
	Text string `json:",omitempty"` // content, in place of From
	Link string `json:",omitempty"` // target of a symbolic link, in place of both
	Mode int64  // permission bits
}

// runConfig is the part of the image configuration that is used, as the Docker
// and OCI image specifications name it.
type runConfig struct {
	User       string            `json:",omitempty"`
	Env        []string          `json:",omitempty"`
	Entrypoint []string          `json:",omitempty"`
	Cmd        []string          `json:",omitempty"`
	WorkingDir string            `json:",omitempty"`
	Labels     map[string]string `json:",omitempty"`
}

// builtImage is an entry of images.json.
type builtImage struct {
	Names  []string `json:"names"`
	Digest string   `json:"digest"` // of the configuration: the image's ID
	Size   int64    `json:"size"`   // bytes of its layers, uncompressed
}

const (
	archiveFile = "images.tar"
	imagesFile  = "images.json"
)

func (a imageArchive) Inputs() any { return a }

// epoch is the time of everything in an image.
var epoch = time.Unix(0, 0).UTC()

func (a imageArchive) Run(ctx context.Context, r *Run) (err error) {
	out, err := os.Create(filepath.Join(r.Dir, archiveFile)) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := &archiveWriter{tar: tar.NewWriter(out), written: map[string]int64{}}
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifest []entry
	var built []builtImage
	for _, def := range a.Images {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Update(def.Names[0])
		var layers []string
		if def.Rootfs != "" {
			id, err := w.addFile(r.Result(def.Rootfs, "rootfs.tar"))
			if err != nil {
				return err
			}
			layers = append(layers, id)
		}
		id, err := w.addLayer(def.Files, r)
		if err != nil {
			return fmt.Errorf("image %s: %w", def.Names[0], err)
		}
		layers = append(layers, id)
		config, err := imageConfig(def.Config, layers)
		if err != nil {
			return err
		}
		sum := digest(config)
		if err := w.add(sum+".json", int64(len(config)), bytes.NewReader(config)); err != nil {
			return err
		}
		e := entry{Config: sum + ".json", RepoTags: def.Names}
		b := builtImage{Names: def.Names, Digest: "sha256:" + sum}
		for _, l := range layers {
			e.Layers = append(e.Layers, l+".tar")
			b.Size += w.written[l+".tar"]
		}
		manifest, built = append(manifest, e), append(built, b)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := w.add("manifest.json", int64(len(data)), bytes.NewReader(data)); err != nil {
		return err
	}
	if err := w.tar.Close(); err != nil {
		return err
	}
	return writeJSON(filepath.Join(r.Dir, imagesFile), built)
}

func imageConfig(c runConfig, layers []string) ([]byte, error) {
	ids := make([]string, len(layers))
	for i, l := range layers {
		ids[i] = "sha256:" + l
	}
	if c.Env == nil {
		c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	return json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": epoch.Format(time.RFC3339),
		"config": c,
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
}

// archiveWriter writes each file of a docker archive once.
type archiveWriter struct {
	tar     *tar.Writer
	written map[string]int64 // name -> bytes
}

func (w *archiveWriter) add(name string, size int64, from io.Reader) error {
	if _, ok := w.written[name]; ok {
		return nil
	}
	err := w.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, ModTime: epoch, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w.tar, from); err != nil {
		return err
	}
	w.written[name] = size
	return nil
}

// addFile adds a layer archive and returns its digest in hex.
func (w *archiveWriter) addFile(path string) (string, error) {
	sum, size, err := fileDigest(path)
	if err != nil {
		return "", err
	}
	f, err := os.Open(path) //nolint:gosec // our own cache
	if err != nil {
		return "", err
	}
	defer f.Close()
	return sum, w.add(sum+".tar", size, f)
}

// addLayer composes a layer from files and adds it.
func (w *archiveWriter) addLayer(files []imageFile, r *Run) (string, error) {
	f, err := os.Create(filepath.Join(r.Temp, "layer.tar"))
	if err != nil {
		return "", err
	}
	if err := errors.Join(writeLayer(f, files, r), f.Close()); err != nil {
		return "", err
	}
	return w.addFile(f.Name())
}

func writeLayer(to io.Writer, files []imageFile, r *Run) error {
	w := tar.NewWriter(to)
	made := map[string]bool{}
	for _, f := range files {
		name := strings.TrimPrefix(f.To, "/")
		if err := writeParents(w, name, made); err != nil {
			return err
		}
		if err := writeLayerFile(w, name, f, r); err != nil {
			return fmt.Errorf("%s: %w", f.To, err)
		}
	}
	return w.Close()
}

// writeParents adds the directories above name that are missing.
func writeParents(w *tar.Writer, name string, made map[string]bool) error {
	dir := path.Dir(name)
	if dir == "." || made[dir] {
		return nil
	}
	if err := writeParents(w, dir, made); err != nil {
		return err
	}
	made[dir] = true
	mode := int64(0o755)
	if dir == "tmp" {
		mode = 0o1777
	}
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode, ModTime: epoch, Format: tar.FormatPAX})
}

func writeLayerFile(w *tar.Writer, name string, f imageFile, r *Run) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: f.Mode, Size: int64(len(f.Text)), ModTime: epoch, Format: tar.FormatPAX}
	var content io.Reader = strings.NewReader(f.Text)
	switch {
	case f.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.Link, 0o777
	case f.Step != "":
		in, err := os.Open(r.Result(f.Step, filepath.FromSlash(f.From)))
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a plain file: %w", f.From, fs.ErrInvalid)
		}
		header.Size, content = info.Size(), in
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644) //nolint:gosec // no secret
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
