package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/automation"
)

func newKubeconfigCmd(a *App) *cobra.Command {
	var merge, path bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print one kubeconfig for all clusters of a lab",
		Long: `Print one kubeconfig with a context per cluster: cluster1, cluster2, ...

It holds credentials of the clusters. Your own ~/.kube/config is left alone unless
you use --merge; destroy removes from it what --merge added.`,
		Example: `  KUBECONFIG=$(meshwright kubeconfig --path) kubectl --context cluster2 get pods -A
  meshwright kubeconfig > lab.yaml
  meshwright kubeconfig --merge       add the contexts to your own kubeconfig`,
	}
	f := addLabFlags(cmd)
	cmd.Flags().BoolVar(&merge, "merge", false, "add the lab's contexts to your own kubeconfig (KUBECONFIG or ~/.kube/config)")
	cmd.Flags().BoolVar(&path, "path", false, "print the path of the lab's own file instead")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if merge && path {
			return usagef("kubeconfig: --merge or --path, not both")
		}
		return nil
	}
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		out, err := lab.Outputs(ctx)
		if err != nil {
			return err
		}
		switch {
		case merge:
			file, err := lab.MergeKubeconfig(out)
			if err != nil {
				return fmt.Errorf("%w; or use the lab's own file: meshwright kubeconfig --path%s", err, labFlagsOf(lab))
			}
			a.UI.Info(fmt.Sprintf("added %d contexts to %s; destroy removes them", len(out.Clusters), file))
			return nil
		case path:
			if err := lab.WriteKubeconfig(out); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Out, lab.KubeconfigFile())
			return err
		}
		merged, err := out.Kubeconfig()
		if err != nil {
			return err
		}
		data, err := clientcmd.Write(*merged)
		if err != nil {
			return err
		}
		_, err = a.Out.Write(data)
		return err
	})
	return cmd
}
