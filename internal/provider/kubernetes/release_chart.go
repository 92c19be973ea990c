package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"
	"helm.sh/helm/v3/pkg/repo"

	"github.com/meshwright/meshwright/internal/paths"
)

// helmSettings are Helm's own, with the provider's options over them.
func helmSettings(conf config) *cli.EnvSettings {
	s := cli.New()
	s.RegistryConfig = cmp.Or(conf.helmRegistryConfig, s.RegistryConfig)
	s.RepositoryConfig = cmp.Or(conf.helmRepositoryConfig, s.RepositoryConfig)
	s.RepositoryCache = cmp.Or(conf.helmRepositoryCache, s.RepositoryCache)
	return s
}

// chartRoots are where a relative path to a chart is looked for, in order.
func (p *Provider) chartRoots() []string {
	roots := []string{"."}
	if p.opts.ChartRoot != "" {
		roots = append(roots, p.opts.ChartRoot)
	}
	return append(roots, paths.Kit())
}

// findChart locates a chart and reads it.
func (p *Provider) findChart(conf config, rel *releaseInputs) (*chart.Chart, error) {
	settings := helmSettings(conf)
	path, err := p.locateChart(settings, rel)
	if err != nil {
		return nil, err
	}
	return loadChart(settings, path, rel)
}

// loadChart reads a chart with its dependencies.
func loadChart(settings *cli.EnvSettings, path string, rel *releaseInputs) (*chart.Chart, error) {
	ch, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", rel.Chart, err)
	}
	if kind := ch.Metadata.Type; kind != "" && kind != "application" {
		return nil, fmt.Errorf("chart %s is of type %s, which cannot be installed", rel.Chart, kind)
	}
	if rel.Lint {
		if errs := action.NewLint().Run([]string{path}, rel.values).Errors; len(errs) > 0 {
			return nil, fmt.Errorf("malformed chart or values: %w", errors.Join(errs...))
		}
	}
	missing := action.CheckDependencies(ch, ch.Metadata.Dependencies)
	if missing == nil || len(ch.Metadata.Dependencies) == 0 {
		return ch, nil
	}
	if !rel.DependencyUpdate {
		return nil, fmt.Errorf("chart %s: %w; set dependencyUpdate to fetch them", rel.Chart, missing)
	}
	client, err := registryClient(settings)
	if err != nil {
		return nil, err
	}
	manager := &downloader.Manager{
		Out: io.Discard, ChartPath: path, Keyring: rel.Keyring, Getters: getter.All(settings),
		RepositoryConfig: settings.RepositoryConfig, RepositoryCache: settings.RepositoryCache, RegistryClient: client,
	}
	if err := manager.Update(); err != nil {
		return nil, fmt.Errorf("dependencies of chart %s: %w", rel.Chart, err)
	}
	return loader.Load(path)
}

func registryClient(settings *cli.EnvSettings) (*registry.Client, error) {
	return registry.NewClient(registry.ClientOptWriter(io.Discard), registry.ClientOptCredentialsFile(settings.RegistryConfig))
}

// locateChart returns where the chart is on this machine, fetched if need be. A
// local chart, an archive or a directory with a Chart.yaml, wins unless a
// repository is named.
func (p *Provider) locateChart(settings *cli.EnvSettings, rel *releaseInputs) (string, error) {
	name, repoURL := strings.TrimSpace(rel.Chart), ""
	if name == "" {
		return "", errors.New("no chart is named")
	}
	if r := rel.RepositoryOpts.Repo; r != "" && !registry.IsOCI(name) {
		if _, err := url.ParseRequestURI(r); err == nil {
			repoURL = r
		} else if !strings.Contains(name, "/") { // a repository that `helm repo add` knows
			name = r + "/" + name
		}
	}
	if repoURL == "" && !registry.IsOCI(name) {
		if path, ok := p.localChart(name); ok {
			if rel.Verify {
				if _, err := downloader.VerifyChart(path, rel.Keyring); err != nil {
					return "", fmt.Errorf("chart %s: %w", name, err)
				}
			}
			return path, nil
		}
		if filepath.IsAbs(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".tgz") {
			return "", fmt.Errorf("chart %s is not in %s; build the kit with `meshwright airgap build`, or name the repository in repositoryOpts.repo",
				name, strings.Join(p.chartRoots(), ", "))
		}
	}
	return download(settings, rel, name, repoURL)
}

func (p *Provider) localChart(name string) (string, bool) {
	for _, root := range p.chartRoots() {
		path := filepath.Join(root, name)
		if filepath.IsAbs(name) {
			path = name
		}
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			_, err = os.Stat(filepath.Join(path, "Chart.yaml"))
		}
		if err != nil {
			continue
		}
		if abs, err := filepath.Abs(path); err == nil {
			return abs, true
		}
	}
	return "", false
}

// download fetches a chart into Helm's cache and returns where it is.
func download(settings *cli.EnvSettings, rel *releaseInputs, name, repoURL string) (string, error) {
	o := rel.RepositoryOpts
	version := rel.Version
	if version == "" && rel.Devel {
		version = ">0.0.0-0"
	}
	client, err := registryClient(settings)
	if err != nil {
		return "", err
	}
	dl := downloader.ChartDownloader{
		Out: io.Discard, Keyring: rel.Keyring, Getters: getter.All(settings), RegistryClient: client,
		RepositoryConfig: settings.RepositoryConfig, RepositoryCache: settings.RepositoryCache,
		Options: []getter.Option{getter.WithTLSClientConfig(o.CertFile, o.KeyFile, o.CAFile)},
	}
	if rel.Verify {
		dl.Verify = downloader.VerifyAlways
	}
	user, password := o.Username, o.Password
	switch {
	case registry.IsOCI(name):
		dl.Options = append(dl.Options, getter.WithRegistryClient(client))
		if user != "" {
			if err := client.Login(strings.SplitN(strings.TrimPrefix(name, "oci://"), "/", 2)[0], registry.LoginOptBasicAuth(user, password)); err != nil {
				return "", fmt.Errorf("log in for chart %s: %w", name, err)
			}
		}
	case repoURL != "":
		found, err := repo.FindChartInAuthAndTLSAndPassRepoURL(repoURL, user, password, name, version, o.CertFile, o.KeyFile, o.CAFile, false, false, getter.All(settings))
		if err != nil {
			return "", fmt.Errorf("chart %s in %s: %w", name, repoURL, err)
		}
		name = found
		// The password is for the repository's host, not for where it points.
		if !sameOrigin(repoURL, found) {
			user, password = "", ""
		}
	}
	dl.Options = append(dl.Options, getter.WithBasicAuth(user, password))
	if err := os.MkdirAll(settings.RepositoryCache, 0o755); err != nil {
		return "", err
	}
	path, _, err := dl.DownloadTo(name, version, settings.RepositoryCache)
	if err != nil {
		return "", fmt.Errorf("download chart %s %s: %w", name, version, err)
	}
	return filepath.Abs(path)
}

func sameOrigin(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.Scheme == ub.Scheme && ua.Host == ub.Host
}
