package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/report"
)

func newEnvCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print shell settings for kubectl, istioctl and pulumi",
		Long: `Print shell settings for the lab. With them kubectl and istioctl talk to the lab's
clusters, and the plain pulumi command works on the lab's stack with the same
workspace, backend and passphrase. Each of meshwright and pulumi can manage what the
other has brought up.

With --init the lab need not exist: the command creates its workspace, passphrase and
empty stack, for pulumi to bring up. For a lab that exists, --init updates the
settings in its workspace.

JSON has the variables to set. Unset PULUMI_CONFIG_PASSPHRASE: pulumi prefers even an
empty one to the lab's file. The shell settings unset it.`,
		Example: `  eval "$(meshwright env)"
  kubectl --context cluster1 get pods -A
  istioctl --context cluster2 proxy-status
  pulumi -C "$MESHWRIGHT_WORKSPACE" stack
  eval "$(meshwright env --init --name mine)" && pulumi -C "$MESHWRIGHT_WORKSPACE" up`,
	}
	var prepare bool
	f := addLabFlags(cmd)
	f.addProgramFlags(cmd)
	cmd.Flags().BoolVar(&prepare, "init", false, "create the lab's workspace and empty stack, or update its settings")
	output := outputFlag(cmd, "shell", "json")
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		if prepare {
			if err := lab.Prepare(ctx); err != nil {
				return err
			}
		}
		env, err := lab.Environment(ctx)
		if err != nil {
			return err
		}
		var elsewhere *automation.StacksError
		if err := kubeconfigIfUp(ctx, lab); errors.As(err, &elsewhere) {
			a.UI.Warn(errorText(err, labFlagsOf(lab))) // the pulumi command in that setting is the way to mend it
		} else if err != nil {
			return err
		}
		if *output == "json" {
			return report.JSON(a.Out, envDocument(lab.Name(), env))
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

// envDocument keeps the variables apart from its own fields.
func envDocument(lab string, env map[string]string) any {
	return struct {
		Version     int               `json:"version"`
		Lab         string            `json:"lab"`
		Environment map[string]string `json:"environment"`
	}{1, lab, env}
}

// shellSettings writes POSIX export lines. PATH is put in front of the old one, once. A
// passphrase of the shell is unset: pulumi prefers even an empty one to the lab's file.
func shellSettings(w io.Writer, env map[string]string) error {
	if _, err := io.WriteString(w, "unset PULUMI_CONFIG_PASSPHRASE\n"); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		line := fmt.Sprintf("export %s=%s\n", k, shellescape.Quote(env[k]))
		if k == "PATH" {
			line = fmt.Sprintf("case \":$PATH:\" in *:%[1]s:*) ;; *) export PATH=%[1]s:\"$PATH\" ;; esac\n", shellescape.Quote(env[k]))
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}
