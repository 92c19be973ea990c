package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// commands lists every command once, in the order in which help shows them.
func commands(a *App) []*cobra.Command {
	return []*cobra.Command{
		newUpCmd(a),
		newPreviewCmd(a),
		newDiffCmd(a),
		newVerifyCmd(a),
		newTrafficCmd(a),
		newDrillCmd(a),
		newStatusCmd(a),
		newKubeconfigCmd(a),
		newEnvCmd(a),
		newLoadCmd(a),
		newCollectCmd(a),
		newDestroyCmd(a),
		newAirgapCmd(a),
		newArtifactsCmd(a),
		newSetupCmd(a),
		newDoctorCmd(a),
		newCleanCmd(a),
		newVersionCmd(a),
	}
}

// NewRoot returns the command tree.
func NewRoot(a *App) *cobra.Command {
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	cobra.EnableCommandSorting = false
	if a.Collect == nil {
		a.Collect = a.collectEvidence
	}
	a.sameLab = func() string { return "" }
	var debug bool
	root := &cobra.Command{
		Use:   "meshwright",
		Short: "Create, verify and remove a multi-cluster Istio mesh on kind",
		Long: `Meshwright brings up a multi-cluster Istio mesh on kind, proves with real traffic
that it works, and removes it without leaving anything behind.

Exit codes: 0 ok, 1 error, 2 wrong usage, 3 verification failed, 130 interrupted;
diff --fail-on adds 8 and 9.`,
		Example: `  meshwright up            bring up the lab of Pulumi.dev.yaml
  meshwright verify        prove that the mesh works
  meshwright status        show addresses and how to use the lab
  meshwright destroy       remove the lab, leaving nothing`,
		Args:                       noCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		PersistentPreRun: func(*cobra.Command, []string) {
			if debug {
				a.Log = slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			quietLibraries(a.Log)
		},
	}
	root.PersistentFlags().BoolVar(&debug, "debug", false, "write diagnostics to standard error")
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w\nsee: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(commands(a)...)
	for _, cmd := range root.Commands() {
		checkArgs(cmd)
	}
	return root
}

// noCommand refuses a word that is no command, and suggests similar commands.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s\nsee: meshwright --help", text)
}

// checkArgs makes a wrong number of arguments a usage error, everywhere. A command
// without a rule of its own takes none.
func checkArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usagef("%w\nsee: %s --help", err, c.CommandPath())
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
}
