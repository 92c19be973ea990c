package automation

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/internal/artifacts"
)

// Tool is one of the things that an operation on a lab would use.
type Tool struct {
	ID    string // "artifacts", "cli", "language-host", "providers", "plugin-tls", "kind-child", ...
	Title string
	Found string // what would be used
	Why   string // this one is used
	// Err is why an Up would fail for it; see Remedies.
	Err error
}

// Tools are what an operation on the lab would use, and why. Tools downloads
// and changes nothing.
func (l *Lab) Tools(ctx context.Context) ([]Tool, error) {
	record, err := l.record()
	if err != nil {
		return nil, err
	}
	source, why := l.chooseArtifacts(record)
	set, err := artifacts.Registry(), error(nil)
	if source == ArtifactsAirgap {
		set, err = artifacts.Load(l.o.KitDir)
	}
	art := Tool{ID: "artifacts", Title: "images and charts", Found: source, Why: why, Err: err}
	if err == nil {
		art.Found = fmt.Sprintf("%s: Kubernetes %s, Istio %s, MetalLB %s", source, set.Kubernetes, set.Istio, set.MetalLB)
	}
	tools := []Tool{art}
	eng, err := engine.Find(ctx, l.o.KitDir, l.o.Log)
	cli := Tool{ID: "cli", Title: "pulumi command", Err: err}
	host := Tool{ID: "language-host", Title: "Go language host", Why: "the driver runs the program itself; only the plain pulumi command needs one", Found: "none"}
	if err == nil {
		cli.Found = fmt.Sprintf("%s %s", eng.Path(), eng.Version())
		cli.Why = "on PATH"
		if filepath.Dir(eng.Path()) == filepath.Join(l.o.KitDir, "bin") {
			cli.Why = "the kit's comes first"
		}
		if path := languageHost(eng.Path()); path != "" {
			host.Found, host.Why = path, "beside the pulumi command, which then takes no other"
			if filepath.Dir(path) != filepath.Dir(eng.Path()) {
				host.Why = "on PATH"
			}
		}
	}
	tools = append(tools, cli, host)
	tools = append(tools, l.providerTools(l.chooseProviders(record, source), source)...)
	return append(tools, l.childTool()), nil
}

// languageHost finds the host that the plain command would use, "" when none is
// installed.
func languageHost(cli string) string {
	const name = "pulumi-language-go"
	if path := filepath.Join(filepath.Dir(cli), name); engine.Executable(path) {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// providerTools are the choice of providers and each of them.
func (l *Lab) providerTools(c providerChoice, from string) []Tool {
	choice := Tool{ID: "providers", Title: "resource providers", Found: c.source, Why: c.why}
	if c.source == ProvidersOfficial && from == ArtifactsAirgap {
		choice.Err = errKitCharts
	}
	tools := []Tool{choice}
	for _, name := range slices.Sorted(maps.Keys(officialVersions())) {
		version := officialVersions()[name]
		t := Tool{ID: "plugin-" + name, Title: "plugin " + name + " " + version, Found: "embedded", Why: "this program carries it"}
		if c.source == ProvidersOfficial {
			t.Found, t.Why = l.findPlugin(name, version), "installed"
			if t.Found == "" {
				t.Found, t.Why = "to be downloaded", "it is not installed; the next up downloads it into "+pluginHome()
				if !c.asked {
					t.Why += ", or uses the embedded ones where that fails"
				}
			}
		}
		tools = append(tools, t)
	}
	return append(tools, Tool{ID: "plugin-meshwright", Title: "plugin meshwright " + ownVersion, Found: "embedded", Why: "there is no other"})
}

func (l *Lab) childTool() Tool {
	t := Tool{ID: "kind-child", Title: "kind runs in", Found: l.o.Executable, Why: "it can be cancelled there, and labs share no environment"}
	if t.Found == "" {
		t.Found, t.Why = "this process", "no meshwright command of this version was found"
	} else if self, err := os.Executable(); err == nil && self == t.Found {
		t.Found = "a child of " + t.Found
	}
	return t
}
