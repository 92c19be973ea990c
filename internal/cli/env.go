package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newEnvCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print shell settings for kubectl, istioctl and pulumi",
		Long: `Print shell settings in which kubectl and istioctl talk to the lab's
clusters, and the plain pulumi command works on the lab's stack with the same
workspace, backend and passphrase.`,
		Example: `  eval "$(meshwright env)"
  kubectl --context cluster1 get pods -A
  istioctl --context cluster2 proxy-status
  pulumi -C "$MESHWRIGHT_WORKSPACE" stack`,
		Args: cobra.NoArgs,
	}
	f := addLabFlags(cmd)
	output := outputFlag(cmd, "shell", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		lab, err := a.lab(cmd.Context(), f, nil)
		if err != nil {
			return err
		}
		env, err := lab.Environment()
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(a.Out, env)
		}
		return shellSettings(a.Out, env)
	}
	return cmd
}

// shellSettings writes POSIX export lines. PATH is put in front of the old one,
// once.
func shellSettings(w io.Writer, env map[string]string) error {
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
