package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/internal/airgap"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/load/traffic"
	"github.com/meshwright/meshwright/report"
)

// TestEveryDocumentIsVersioned: what a command prints with --output json says its
// format's version, and docs/embedding.md lists it. A command that prints JSON and
// has no document here fails.
func TestEveryDocumentIsVersioned(t *testing.T) {
	documents := map[string]any{
		"up":               upDocument(&automation.UpResult{Outputs: &automation.Outputs{}}),
		"preview":          previewDocument(&automation.PreviewResult{}),
		"diff":             &changes.Report{Version: changes.Version},
		"verify":           &report.Report{Version: report.FormatVersion},
		"verify --cleanup": cleanupDocument("dev", nil),
		"traffic":          &traffic.Summary{Version: traffic.FormatVersion},
		"drill drain":      &drill.Report{Version: drill.FormatVersion},
		"status":           statusDocument(&automation.Outputs{}, nil),
		"env":              envDocument("dev", map[string]string{"PATH": "/bin"}),
		"destroy":          destroyDocument(&automation.DestroyResult{}),
		"airgap build":     &artifacts.Set{Version: artifacts.FormatVersion},
		"artifacts check":  artifactsDocument(nil),
		"airgap status":    stepsDocument(nil),
		"airgap clean":     cleanedDocument(&airgap.Cleaned{}),
		"doctor":           &diagnosis{Version: 1},
	}
	text, err := os.ReadFile("../../docs/embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Version int }
			if err := json.Unmarshal(raw, &got); err != nil || got.Version == 0 {
				t.Errorf("no version (%v): %s", err, raw)
			}
			if !strings.Contains(string(text), "`"+name+"`") {
				t.Error("docs/embedding.md does not list it among the formats")
			}
		})
	}
	eachCommand(NewRoot(&App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}), func(cmd *cobra.Command) {
		output := cmd.Flags().Lookup("output")
		name := strings.TrimPrefix(cmd.CommandPath(), "meshwright ")
		if _, ok := documents[name]; !ok && output != nil && strings.Contains(output.Usage, "json") {
			t.Errorf("%s prints JSON: what document?", name)
		}
	})
}

func eachCommand(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, f)
	}
}
