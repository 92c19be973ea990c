package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// probeTimeout bounds the question whether a registry answers.
const probeTimeout = 8 * time.Second

// registryURLs are the places from which a lab with official artifacts is fetched:
// the API root of every image's registry, and every chart repository's index.
func registryURLs(set *artifacts.Set) ([]string, error) {
	var urls []string
	for _, image := range append(slices.Collect(maps.Values(set.Images)), set.NodeImage) {
		name, err := reference.ParseNormalizedNamed(image.Name)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", image.Name, err)
		}
		host := reference.Domain(name)
		if host == "docker.io" {
			host = "registry-1.docker.io"
		}
		urls = append(urls, "https://"+host+"/v2/")
	}
	for _, chart := range set.Charts {
		if chart.Repo != "" {
			urls = append(urls, strings.TrimSuffix(chart.Repo, "/")+"/index.yaml")
		}
	}
	slices.Sort(urls)
	return slices.Compact(urls), nil
}

// RegistriesAnswer returns nil when every place that official artifacts come
// from answers, and otherwise which one does not and why.
func RegistriesAnswer(ctx context.Context) error {
	urls, err := registryURLs(artifacts.Registry())
	if err != nil {
		return err
	}
	return answer(ctx, http.DefaultClient, urls)
}

func answer(ctx context.Context, client *http.Client, urls []string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, address := range urls {
		group.Go(func() error {
			parsed, err := url.Parse(address)
			if err != nil {
				return err
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			var failed *url.Error
			if errors.As(err, &failed) {
				err = failed.Err // without the whole address again
			}
			if err != nil {
				return fmt.Errorf("%s does not answer: %w", parsed.Host, err)
			}
			defer response.Body.Close()
			// A registry asks for a token before anything else.
			if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
				return fmt.Errorf("%s answers with %s", parsed.Host, response.Status)
			}
			return nil
		})
	}
	return group.Wait()
}
