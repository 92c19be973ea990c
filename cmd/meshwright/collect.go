package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/mesh/collect"
)

func newCollectCmd(a *App) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Gather logs and dumps of a lab in one archive, without secrets",
		Long: `Gather what helps to diagnose a lab: objects, events, logs, Envoy and istiod state,
node logs and the stack's state, in one archive that only you can read. Private keys,
tokens and kubeconfig credentials are removed, and the data of Secrets is never read.
Where parts of a lab do not answer, the others are collected.`,
		Example: `  meshwright collect
  meshwright collect --file /tmp/dev.tar.gz`,
	}
	f := addLabFlags(cmd)
	cmd.Flags().StringVarP(&path, "file", "f", "", "the archive (default: meshwright-<lab>-<time>.tar.gz in this directory)")
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		if path == "" {
			path = lab.ArchiveName()
		}
		err := a.UI.Do("collect", func(update func(string)) (string, error) {
			index, err := a.collect(ctx, lab, path, update)
			if err != nil {
				return "", err
			}
			note := fmt.Sprintf("%d files", len(index.Files))
			if n := len(index.Missing); n > 0 {
				note += fmt.Sprintf(", %d are missing (see index.json)", n)
			}
			return note, nil
		})
		if err == nil {
			_, err = fmt.Fprintln(a.Out, path)
		}
		return err
	})
	return cmd
}

// collectEvidence is the usual App.Collect: the archive goes to the lab's private
// directory.
func (a *App) collectEvidence(ctx context.Context, lab *automation.Lab) (string, error) {
	path := filepath.Join(lab.Dir(), lab.ArchiveName())
	_, err := a.collect(ctx, lab, path, nil)
	return path, err
}

// collect gathers a lab's evidence into the archive at path.
func (a *App) collect(ctx context.Context, lab *automation.Lab, path string, progress func(string)) (*collect.Index, error) {
	return lab.Collect(ctx, automation.CollectOptions{
		Path: path, Progress: progress, Versions: map[string]string{"meshwright": a.Version},
	})
}
