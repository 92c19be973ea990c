package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
)

func newEnvCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print shell settings for kubectl, istioctl and pulumi",
		Long: `Print shell settings in which kubectl and istioctl talk to the lab's
clusters, and the plain pulumi command works on the lab's stack with the same
workspace, backend and passphrase: what one of the two brings up, the other can
manage.

With --init the lab need not be there: its workspace, passphrase and empty stack
are made, for pulumi to bring up. On a lab that is there, --init takes changed
settings over into its workspace.

JSON has the variables to set. PULUMI_CONFIG_PASSPHRASE has to be unset: even an empty
one counts for more with pulumi than the lab's file. The shell settings unset it.`,
		Example: `  eval "$(meshwright env)"
  kubectl --context cluster1 get pods -A
  istioctl --context cluster2 proxy-status
  pulumi -C "$MESHWRIGHT_WORKSPACE" stack
  eval "$(meshwright env --init --name mine)" && pulumi -C "$MESHWRIGHT_WORKSPACE" up`,
		Args: cobra.NoArgs,
	}
	var prepare bool
	f := addLabFlags(cmd)
	f.addProgramFlags(cmd)
	cmd.Flags().BoolVar(&prepare, "init", false, "make the lab's workspace and empty stack when it is not there, or bring its settings up to date")
	output := outputFlag(cmd, "shell", "json")
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		if prepare {
			if err := lab.Prepare(ctx); err != nil {
				return err
			}
		}
		env, err := lab.Environment()
		if err != nil {
			return err
		}
		if err := kubeconfigIfUp(ctx, lab); err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(a.Out, envDocument(lab.Name(), env))
		}
		return shellSettings(a.Out, env)
	})
	return cmd
}

// kubeconfigIfUp writes the lab's kubeconfig where it is missing: a lab that the
// plain pulumi command brought up has none yet.
func kubeconfigIfUp(ctx context.Context, lab *automation.Lab) error {
	if _, err := os.Stat(lab.KubeconfigFile()); err == nil {
		return nil
	}
	out, err := lab.Outputs(ctx)
	if notUp(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return lab.WriteKubeconfig(out)
}

// envDocument has the variables apart from its own fields, since their names are
// not ours.
func envDocument(lab string, env map[string]string) any {
	return struct {
		Version     int               `json:"version"`
		Lab         string            `json:"lab"`
		Environment map[string]string `json:"environment"`
	}{1, lab, env}
}

// shellSettings writes POSIX export lines. PATH is put in front of the old one,
// once. A passphrase of the shell's own goes: even an empty one counts for more with
// the pulumi command than the lab's file.
func shellSettings(w io.Writer, env map[string]string) error {
	if _, err := io.WriteString(w, "unset PULUMI_CONFIG_PASSPHRASE\n"); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		line := fmt.Sprintf("export %s=%s\n", k, quote(env[k]))
		if k == "PATH" {
			line = fmt.Sprintf("case \":$PATH:\" in *:%[1]s:*) ;; *) export PATH=%[1]s:\"$PATH\" ;; esac\n", quote(env[k]))
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}

// quote makes s one word for a POSIX shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
