package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/singleflight"
	"helm.sh/helm/v3/pkg/chartutil"
)

// renders keeps what charts render to: the definitions of Istio's kinds alone
// take half a CPU second, every cluster has them, and every preview asks. It
// holds checksums and names, nothing of the values, as files.
type renders struct {
	dir    string
	flight singleflight.Group
}

// maxRenders is how many files the cache keeps before it starts afresh.
const maxRenders = 1000

// errNoKey is the error for a chart that no key identifies: a directory, whose files
// may have changed, or one that a command rewrites.
var errNoKey = errors.New("the chart cannot be cached")

// renderKey identifies a rendering: by the chart's contents, the inputs, and
// what renders.
func renderKey(path string, rel *releaseInputs) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || rel.Postrender != "" {
		return "", errNoKey
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	caps := chartutil.DefaultCapabilities
	inputs, err := json.Marshal([]any{version.String(), caps.KubeVersion.Version, caps.HelmVersion.Version, rel, rel.values})
	if err != nil {
		return "", err
	}
	h.Write(inputs)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// get returns the rendering of key, which those who ask at once wait for together.
func (r *renders) get(key string, render func() (rendering, error)) (rendering, error) {
	result, err, _ := r.flight.Do(key, func() (any, error) {
		result, err := r.load(key)
		if err == nil {
			return result, nil
		}
		if result, err = render(); err == nil {
			r.store(key, result)
		}
		return result, err
	})
	return result.(rendering), err
}

func (r *renders) load(key string) (rendering, error) {
	raw, err := os.ReadFile(filepath.Join(r.dir, key))
	if err != nil {
		return rendering{}, err
	}
	var out rendering
	err = json.Unmarshal(raw, &out)
	return out, err
}

// store writes a file for the next process. The cache only saves time, so that
// an error is of no consequence.
func (r *renders) store(key string, result rendering) {
	if os.MkdirAll(r.dir, 0o700) != nil {
		return
	}
	if files, err := os.ReadDir(r.dir); err == nil && len(files) > maxRenders {
		for _, f := range files {
			_ = os.Remove(filepath.Join(r.dir, f.Name()))
		}
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return
	}
	tmp, err := os.CreateTemp(r.dir, ".new-") // 0600
	if err != nil {
		return
	}
	_, err = tmp.Write(raw)
	if errors.Join(err, tmp.Close()) != nil || os.Rename(tmp.Name(), filepath.Join(r.dir, key)) != nil {
		_ = os.Remove(tmp.Name())
	}
}
