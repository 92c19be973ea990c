// Package published asks registries and chart repositories whether they have the
// images and charts of a set. It downloads manifests and indexes only.
package published

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// Kinds of an Item.
const (
	Image = "image"
	Chart = "chart"
)

// Item is one image or chart, and what its publisher answered.
type Item struct {
	Kind string `json:"kind"` // Image or Chart
	Role string `json:"role"` // its key in the set; "node" for the node image
	// Address is an image's reference, or a chart's repository, name and version.
	Address string `json:"address"`
	// Digest is "sha256:<hex>" of an image's manifest or index, or of a chart's archive.
	Digest string `json:"digest,omitempty"`
	// Platforms of an image, as "linux/amd64", sorted.
	Platforms []string `json:"platforms,omitempty"`
	// Problem says why it cannot be had, with the host; empty where it can.
	Problem string `json:"problem,omitempty"`
}

// questionTimeout bounds the questions about one item.
const questionTimeout = 30 * time.Second

// maxIndex bounds a chart repository's index: Istio's has about 5 MB.
const maxIndex = 64 << 20

// Check asks about everything in the set and returns it in the order of kinds and roles.
// A nil client is http.DefaultClient.
func Check(ctx context.Context, set *artifacts.Set, client *http.Client) []Item {
	if client == nil {
		client = http.DefaultClient
	}
	images := maps.Clone(set.Images)
	images["node"] = set.NodeImage
	var items []Item
	for _, role := range slices.Sorted(maps.Keys(images)) {
		address := images[role].Name
		if name, err := reference.ParseNormalizedNamed(address); err == nil {
			address = name.String() // "kindest/node" is Docker's way to say docker.io/kindest/node
		}
		items = append(items, Item{Kind: Image, Role: role, Address: address})
	}
	for _, role := range slices.Sorted(maps.Keys(set.Charts)) {
		c := set.Charts[role]
		items = append(items, Item{Kind: Chart, Role: role, Address: fmt.Sprintf("%s %s %s", c.Repo, c.Name, c.Version)})
	}
	indexes := map[string]func() (*repository, error){}
	for _, c := range set.Charts {
		if indexes[c.Repo] == nil {
			indexes[c.Repo] = sync.OnceValues(func() (*repository, error) { return index(ctx, client, c.Repo) })
		}
	}
	var group errgroup.Group
	group.SetLimit(4) // registries answer a burst of anonymous questions with 429
	for i := range items {
		group.Go(func() error {
			item := &items[i]
			var err error
			if item.Kind == Image {
				err = item.askRegistry(ctx, client)
			} else {
				err = item.lookUp(set.Charts[item.Role], indexes[set.Charts[item.Role].Repo])
			}
			if err != nil {
				item.Problem = err.Error()
			}
			return nil
		})
	}
	_ = group.Wait() // every problem is in its item
	return items
}

// askRegistry resolves an image's manifest and reads for which platforms it is.
func (i *Item) askRegistry(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	source, err := remote.NewRepository(i.Address)
	if err != nil {
		return err
	}
	source.Client = &auth.Client{Client: client, Cache: auth.NewCache()}
	host := source.Reference.Host()
	manifest, body, err := source.FetchReference(ctx, source.Reference.Reference)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	defer body.Close()
	data, err := content.ReadAll(body, manifest)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	var list ocispec.Index
	var single ocispec.Manifest
	if err := errors.Join(json.Unmarshal(data, &list), json.Unmarshal(data, &single)); err != nil {
		return fmt.Errorf("%s: its manifest: %w", host, err)
	}
	for _, m := range list.Manifests {
		if p := m.Platform; p != nil && p.OS != "unknown" { // attestations have no platform
			i.Platforms = append(i.Platforms, p.OS+"/"+p.Architecture)
		}
	}
	if len(list.Manifests) == 0 {
		data, err := content.FetchAll(ctx, source.Blobs(), single.Config)
		if err != nil {
			return fmt.Errorf("%s: its configuration: %w", host, err)
		}
		var platform ocispec.Platform
		if err := json.Unmarshal(data, &platform); err != nil {
			return fmt.Errorf("%s: its configuration: %w", host, err)
		}
		i.Platforms = []string{platform.OS + "/" + platform.Architecture}
	}
	slices.Sort(i.Platforms)
	i.Platforms = slices.Compact(i.Platforms)
	i.Digest = manifest.Digest.String()
	return nil
}

// repository is what Check reads of a chart repository's index.yaml
// (https://helm.sh/docs/topics/chart_repository/).
type repository struct {
	Entries map[string][]struct {
		Version string `json:"version"`
		Digest  string `json:"digest"`
	} `json:"entries"`
}

// lookUp finds a chart in its repository's index.
func (i *Item) lookUp(c artifacts.Chart, index func() (*repository, error)) error {
	charts, err := index()
	if err != nil {
		return err
	}
	for _, e := range charts.Entries[c.Name] {
		switch {
		case e.Version != c.Version:
		case e.Digest == "":
			return fmt.Errorf("%s: chart %s %s has no digest", indexOf(c.Repo), c.Name, c.Version)
		default:
			i.Digest = "sha256:" + strings.TrimPrefix(e.Digest, "sha256:")
			return nil
		}
	}
	return fmt.Errorf("%s: no chart %s of version %s", indexOf(c.Repo), c.Name, c.Version)
}

func indexOf(address string) string { return strings.TrimSuffix(address, "/") + "/index.yaml" }

// index downloads a chart repository's index.
func index(ctx context.Context, client *http.Client, of string) (*repository, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	address := indexOf(of)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxIndex))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	var file repository
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return &file, nil
}

// Sample is the part of a set that has one image of each registry, and all charts.
func Sample(set *artifacts.Set) (*artifacts.Set, error) {
	sample := &artifacts.Set{NodeImage: set.NodeImage, Images: map[string]artifacts.Image{}, Charts: set.Charts}
	seen := map[string]bool{}
	for _, role := range slices.Sorted(maps.Keys(set.Images)) {
		name, err := reference.ParseNormalizedNamed(set.Images[role].Name)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", set.Images[role].Name, err)
		}
		if host := reference.Domain(name); !seen[host] {
			seen[host] = true
			sample.Images[role] = set.Images[role]
		}
	}
	return sample, nil
}
