package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/report"
)

// clusterTimeout bounds the requests to one cluster, so that one that does not answer
// delays status only so long.
const clusterTimeout = 4 * time.Second

func newStatusCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show a lab's clusters, their addresses and how to use them",
		Example: `  meshwright status
  meshwright status --output json | jq -r '.clusters[0].ingressAddress'`,
	}
	f := addLabFlags(cmd)
	output := outputFlag(cmd, "table", "json")
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		out, err := lab.Outputs(ctx)
		if err != nil {
			return err
		}
		if err := lab.CheckDocker(ctx); err != nil {
			a.UI.Warn(errorText(err, labFlagsOf(lab)))
		}
		live := liveStates(ctx, out)
		if *output == "json" {
			return report.JSON(a.Out, statusDocument(out, live))
		}
		if err := statusTable(a.Out, out, live); err != nil {
			return err
		}
		return a.tryLines(out, labFlagsOf(lab))
	})
	return cmd
}

// liveState is what a cluster answers now.
type liveState struct {
	NodesReady  int    `json:"nodesReady"`
	Nodes       int    `json:"nodes"`
	IstiodReady bool   `json:"istiodReady"`
	Error       string `json:"error,omitempty"` // why the cluster did not answer
}

func (s liveState) nodes() string {
	if s.Error != "" {
		return "no answer"
	}
	return fmt.Sprintf("%d/%d ready", s.NodesReady, s.Nodes)
}

func (s liveState) istiod(c automation.Cluster) string {
	switch {
	case s.Error != "":
		return "?"
	case s.IstiodReady:
		return "ready"
	case c.ControlPlane != c.Name:
		return "at " + c.ControlPlane
	default:
		return "not ready"
	}
}

// liveStates asks all clusters at once, in the outputs' order.
func liveStates(ctx context.Context, o *automation.Outputs) []liveState {
	states := make([]liveState, len(o.Clusters))
	var wg sync.WaitGroup
	for i, c := range o.Clusters {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
			defer cancel()
			state, err := ask(ctx, c)
			if err != nil {
				state.Error = err.Error()
			}
			states[i] = state
		})
	}
	wg.Wait()
	return states
}

func ask(ctx context.Context, c automation.Cluster) (liveState, error) {
	var s liveState
	cfg, err := c.RESTConfig()
	if err != nil {
		return s, err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return s, err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return s, err
	}
	s.Nodes = len(nodes.Items)
	for _, n := range nodes.Items {
		for _, cond := range n.Status.Conditions {
			if cond.Type == corev1.NodeReady && cond.Status == corev1.ConditionTrue {
				s.NodesReady++
			}
		}
	}
	istiod, err := client.AppsV1().Deployments("istio-system").List(ctx, metav1.ListOptions{LabelSelector: "app=istiod"})
	if err != nil {
		return s, err
	}
	for _, d := range istiod.Items {
		s.IstiodReady = d.Status.ReadyReplicas > 0
	}
	return s, nil
}

func statusTable(w io.Writer, o *automation.Outputs, live []liveState) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLUSTER\tNODES\tISTIOD\tNETWORK\tLOCALITY\tINGRESS\tEAST-WEST")
	for i, c := range o.Clusters {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, live[i].nodes(), live[i].istiod(c), c.Network, locality(c), cmp.Or(c.IngressAddress, "-"), cmp.Or(c.EastWestAddress, "-"))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func statusDocument(o *automation.Outputs, live []liveState) any {
	type cluster struct {
		clusterDocument
		Live liveState `json:"live"`
	}
	clusters := []cluster{}
	for i, c := range clusterDocuments(o) {
		clusters = append(clusters, cluster{c, live[i]})
	}
	return struct {
		Version  int       `json:"version"`
		Lab      string    `json:"lab"`
		MeshID   string    `json:"meshID"`
		Clusters []cluster `json:"clusters"`
	}{1, o.Lab, o.MeshID, clusters}
}
