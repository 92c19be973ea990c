// Package plugins lists the resource providers that this executable holds.
package plugins

import (
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/command"
	"github.com/meshwright/meshwright/internal/provider/kind"
	"github.com/meshwright/meshwright/internal/provider/kubernetes"
	"github.com/meshwright/meshwright/internal/provider/tls"
)

// Options say what the providers may use of the machine. The zero value serves.
type Options struct {
	// ChartRoot is where a Release's relative chart path is looked up after the
	// working directory; empty means the kit.
	ChartRoot string
	// StateDir is where labs keep their owner files; empty means paths.State().
	StateDir string
	// Backend and ProjectDir are the Pulumi state's that the engine works on; empty
	// means those of the engine that started this process.
	Backend, ProjectDir string
	// Executable is the meshwright executable, for child processes; empty means none.
	Executable string
	Log        *slog.Logger // nil discards
}

// All returns the factory of every provider by package name.
func All(o Options) map[string]provider.Factory {
	return map[string]provider.Factory{
		"command":    command.New,
		"kubernetes": kubernetes.Factory(kubernetes.Options{ChartRoot: o.ChartRoot, Log: o.Log, Gone: kind.ClusterGone}),
		"meshwright": func() plugin.Provider {
			return kind.New(kind.Options{Executable: o.Executable, StateDir: o.StateDir, Backend: o.Backend, ProjectDir: o.ProjectDir, Log: o.Log})
		},
		"tls": tls.New,
	}
}

// Simulated returns factories of the same providers without anything behind
// them: the same checks and diffs, creations that are made up and the same every
// time, and no work. Charts are looked for under chartRoot alone.
func Simulated(chartRoot string) map[string]provider.Factory {
	return map[string]provider.Factory{
		"command":    command.NewSimulated,
		"kubernetes": kubernetes.Simulated(kubernetes.Options{ChartRoot: chartRoot}),
		"meshwright": kind.NewSimulated,
		"tls":        tls.NewSimulated,
	}
}

// prefix begins the file name of every resource plugin.
const prefix = "pulumi-resource-"

// FromArgv0 returns the package that an executable called under this path is to
// serve: "/x/pulumi-resource-tls" is tls. It is false for any other name, and
// for a package that All does not hold.
func FromArgv0(argv0 string) (name string, ok bool) {
	name, ok = strings.CutPrefix(strings.TrimSuffix(filepath.Base(argv0), ".exe"), prefix)
	if !ok {
		return "", false
	}
	if _, ok = All(Options{})[name]; !ok {
		return "", false
	}
	return name, true
}
