package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/automation"
)

func newKubeconfigCmd(a *App) *cobra.Command {
	var merge, path bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print one kubeconfig for all clusters of a lab",
		Long: `Print one kubeconfig with a context per cluster: cluster1, cluster2, ...

It holds credentials of the clusters. Your own ~/.kube/config is left alone unless
you use --merge.`,
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
			return a.mergeKubeconfig(out, labFlagsOf(lab))
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

// mergeKubeconfig adds the lab's contexts to the user's kubeconfig. It does not replace
// a context of the same name for another cluster, and keeps the current context.
func (a *App) mergeKubeconfig(o *automation.Outputs, flags string) error {
	lab, err := o.Kubeconfig()
	if err != nil {
		return err
	}
	access := clientcmd.NewDefaultPathOptions()
	user, err := access.GetStartingConfig()
	if err != nil {
		return fmt.Errorf("read your kubeconfig: %w", err)
	}
	if err := addContexts(user, lab); err != nil {
		return fmt.Errorf("%w, or use the lab's own file: meshwright kubeconfig --path%s", err, flags)
	}
	if err := clientcmd.ModifyConfig(access, *user, true); err != nil {
		return fmt.Errorf("write your kubeconfig: %w", err)
	}
	a.UI.Info(fmt.Sprintf("added %d contexts to %s", len(lab.Contexts), access.GetDefaultFilename()))
	return nil
}

func addContexts(user, lab *api.Config) error {
	for name, c := range lab.Contexts {
		if old, ok := user.Contexts[name]; ok && old.Cluster != c.Cluster {
			return fmt.Errorf("your kubeconfig has another context %s, for %s; rename it (kubectl config rename-context %s NEW)", name, old.Cluster, name)
		}
	}
	for name, c := range lab.Contexts {
		user.Contexts[name] = c
		user.Clusters[c.Cluster] = lab.Clusters[c.Cluster]
		user.AuthInfos[c.AuthInfo] = lab.AuthInfos[c.AuthInfo]
	}
	if user.CurrentContext == "" {
		user.CurrentContext = lab.CurrentContext
	}
	return nil
}
