package automation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/report"
)

// Where the resource providers come from. Meshwright's own, for kind, is always
// the one that this program carries.
const (
	ProvidersOfficial = "official" // Pulumi's own plugins, of the versions that the SDKs ask for
	ProvidersEmbedded = "embedded" // the twins that this program carries
)

var (
	useEmbedded  = report.Remedy{Text: "or use the embedded ones", Option: "Providers", Value: ProvidersEmbedded}
	errKitCharts = report.WithRemedies(errors.New("the official providers do not find the kit's charts"),
		report.Remedy{Text: "use registries with them", Option: "Artifacts", Value: ArtifactsRegistry}, useEmbedded)
)

// officialVersions are the plugins with official releases, at the versions that
// the program's SDKs ask for. The engine takes exactly these from its plugin cache.
func officialVersions() map[string]string {
	return map[string]string{"kubernetes": "4.30.0", "tls": "5.3.1", "command": "1.2.1"}
}

// ownVersion is that of the meshwright plugin.
const ownVersion = "0.1.0"

// installTimeout bounds the download of official plugins.
const installTimeout = 5 * time.Minute

// providerChoice is where the providers of one operation come from.
type providerChoice struct {
	source string // ProvidersOfficial or ProvidersEmbedded
	why    string
	// asked says that there is no fallback; otherwise embedded providers are used
	// when the official ones cannot be downloaded.
	asked bool
}

// chooseProviders decides where the providers come from: as asked, as the lab was
// made with, else the official ones. An existing lab changes only when asked.
func (l *Lab) chooseProviders(r *Record, artifacts string) providerChoice {
	switch {
	case l.o.Providers != "":
		return providerChoice{source: l.o.Providers, why: "asked for", asked: true}
	case r != nil && r.Providers != "":
		return providerChoice{source: r.Providers, why: "as the lab was made", asked: true}
	case r != nil:
		return providerChoice{source: ProvidersEmbedded, why: "as the lab was made", asked: true}
	case artifacts == ArtifactsAirgap:
		return providerChoice{source: ProvidersEmbedded, why: "the kit's charts are found by the embedded providers alone", asked: true}
	}
	return providerChoice{source: ProvidersOfficial, why: "the official ones if they can be downloaded"}
}

// readyProviders brings the providers that an operation needs into the lab's own
// plugin cache, downloading official ones that are not on the machine, and returns
// what the driver has to serve itself.
func (l *Lab) readyProviders(ctx context.Context, eng *engine.Engine, c providerChoice, artifacts string) (map[string]provider.Factory, providerChoice, error) {
	if c.source != ProvidersOfficial {
		return l.twins, c, nil
	}
	if artifacts == ArtifactsAirgap {
		return nil, c, errKitCharts
	}
	plugins, err := l.officialPlugins(ctx, eng)
	switch {
	case err == nil:
	case c.asked || ctx.Err() != nil:
		return nil, c, report.WithRemedies(err, useEmbedded)
	default:
		c.source, c.why = ProvidersEmbedded, fmt.Sprintf("the official ones cannot be had: %v", err)
		l.o.Events(Event{Time: time.Now(), Kind: EventLog, Severity: "info", Message: "the providers that this program carries serve, since " + c.why})
		return l.twins, c, nil
	}
	for name, dir := range plugins {
		if err := l.placePlugin(name, officialVersions()[name], dir); err != nil {
			return nil, c, err
		}
	}
	own := maps.Clone(l.twins)
	for name := range officialVersions() {
		delete(own, name)
	}
	return own, c, nil
}

// officialPlugins are the directories of the installed official plugins by name,
// after a download of those that are missing.
func (l *Lab) officialPlugins(ctx context.Context, eng *engine.Engine) (map[string]string, error) {
	found := map[string]string{}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(officialVersions())) {
		version := officialVersions()[name]
		if found[name] = l.findPlugin(name, version); found[name] != "" {
			continue
		}
		if err := installPlugin(ctx, eng, name, version); err != nil {
			return nil, err
		}
		if found[name] = l.findPlugin(name, version); found[name] == "" {
			return nil, fmt.Errorf("plugin %s %s is not where it was installed: %s", name, version, pluginHome())
		}
	}
	return found, nil
}

// pluginHome is the PULUMI_HOME into which Meshwright downloads plugins. All labs
// share it; the user's own is only read.
func pluginHome() string { return filepath.Join(paths.Cache(), "pulumi") }

// findPlugin returns the directory of an installed official plugin, "" when there
// is none: from the user's own plugin cache, else from ours.
func (l *Lab) findPlugin(name, version string) string {
	homes := []string{os.Getenv("PULUMI_HOME")}
	if home, err := os.UserHomeDir(); err == nil {
		homes = append(homes, filepath.Join(home, ".pulumi"))
	}
	for _, home := range append(homes, pluginHome()) {
		// In a shell of `meshwright env` PULUMI_HOME is a lab's own, in which the
		// embedded providers have the names of plugins.
		if home == "" || strings.HasPrefix(home, l.o.StateDir+string(filepath.Separator)) {
			continue
		}
		dir := filepath.Join(home, "plugins", fmt.Sprintf("resource-%s-v%s", name, version))
		if _, err := os.Stat(dir + ".partial"); err == nil {
			continue // its download is not complete
		}
		if engine.Executable(filepath.Join(dir, "pulumi-resource-"+name)) {
			return dir
		}
	}
	return ""
}

func installPlugin(ctx context.Context, eng *engine.Engine, name, version string) error {
	args := []string{"plugin", "install", "resource", name, version}
	env := []string{"PULUMI_HOME=" + pluginHome(), "PULUMI_SKIP_UPDATE_CHECK=true"}
	_, stderr, _, err := eng.Run(ctx, os.TempDir(), nil, nil, nil, env, args...)
	if err == nil {
		return nil
	}
	if lines := strings.Split(strings.TrimSpace(stderr), "\n"); lines[len(lines)-1] != "" {
		err = errors.New(strings.TrimPrefix(lines[len(lines)-1], "error: "))
	}
	return fmt.Errorf("plugin %s %s is not installed and cannot be downloaded: %w", name, version, err)
}

// placePlugin links every file of a plugin's directory into the lab's own plugin
// cache, and nothing else.
func (l *Lab) placePlugin(name, version, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("plugin %s: %w", name, err)
	}
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()] = filepath.Join(from, e.Name())
	}
	return l.linkPlugin(name, version, files)
}

// linkPlugin makes a directory of the lab's plugin cache hold exactly these links.
func (l *Lab) linkPlugin(name, version string, files map[string]string) error {
	dir := filepath.Join(l.pulumiHome(), "plugins", fmt.Sprintf("resource-%s-v%s", name, version))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if _, ok := files[e.Name()]; !ok {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for file, to := range files {
		if err := workspace.Link(to, filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	return nil
}
