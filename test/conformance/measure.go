package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// The sample, as every stack deploys it.
const (
	sampleNamespace = "sample"
	sampleURL       = "http://helloworld.sample:5000/hello"
	sampleServers   = "app=helloworld"
	sampleClient    = "app=sleep"
	sampleContainer = "sleep"
)

// site is one cluster of the lab that is up.
type site struct {
	name, network, ingress string
	primary                bool
	nodes                  []string
	cluster                *mesh.Member
	close                  func()
	client                 mesh.Pod
	servers                []string // names of its helloworld pods
}

// sites opens the lab's clusters.
func (l *lab) sites(ctx context.Context, d *upDocument) ([]*site, error) {
	merged, err := clientcmd.LoadFromFile(l.Kubeconfig(labName))
	if err != nil {
		return nil, err
	}
	var out []*site
	for _, c := range d.Clusters {
		config, err := clientcmd.NewNonInteractiveClientConfig(*merged, c.Name, nil, nil).ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		s := &site{name: c.Name, network: c.Network, ingress: c.IngressAddress, primary: c.ControlPlane == c.Name, nodes: c.Nodes}
		members, done, err := mesh.Connect([]mesh.Cluster{{Cluster: topology.Cluster{Name: c.Name}, Config: config}})
		if err != nil {
			return nil, err
		}
		s.cluster, s.close = members[0], done
		out = append(out, s)
		clients, err := s.cluster.Pods(ctx, sampleNamespace, sampleClient)
		if err != nil || len(clients) == 0 {
			return nil, fmt.Errorf("cluster %s: %d clients: %w", c.Name, len(clients), err)
		}
		s.client = mesh.Ref(&clients[0])
		servers, err := s.cluster.Pods(ctx, sampleNamespace, sampleServers)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		for _, p := range servers {
			s.servers = append(s.servers, p.Name)
		}
	}
	return out, nil
}

func closeSites(sites []*site) {
	for _, s := range sites {
		s.close()
	}
}

// where tells the cluster of a server pod, "" when it is nobody's.
func where(sites []*site, pod string) string {
	for _, s := range sites {
		if slices.Contains(s.servers, pod) {
			return s.name
		}
	}
	return ""
}

// latency is of answered requests, in milliseconds.
type latency struct {
	N        int
	P50, P99 float64
}

// latencyRequests are made one after another, on connections that stay open.
const latencyRequests = 600

// measureLatency calls from the first cluster's client and tells local answers from
// those of other clusters. A failed request fails the measurement.
func measureLatency(ctx context.Context, sites []*site) (local, cross latency, err error) {
	s := sites[0]
	out, err := s.cluster.Exec(ctx, s.client, sampleContainer, call.Paced(sampleURL, latencyRequests, 0, 5*time.Second))
	if err != nil {
		return local, cross, err
	}
	var here, there []float64
	for _, r := range call.Parse(string(out.Stdout)) {
		switch at := where(sites, r.Instance); {
		case !r.OK():
			return local, cross, fmt.Errorf("a request failed while latency was measured: %s", r)
		case at == s.name:
			here = append(here, load.Milliseconds(r.Took))
		case at != "":
			there = append(there, load.Milliseconds(r.Took))
		}
	}
	if len(here) == 0 || len(there) == 0 {
		return local, cross, fmt.Errorf("%d local and %d other answers: nothing to measure", len(here), len(there))
	}
	return latencyOf(here), latencyOf(there), nil
}

func latencyOf(took []float64) latency {
	return latency{N: len(took), P50: load.Quantile(took, 0.50), P99: load.Quantile(took, 0.99)}
}

func (l *lab) memory(ctx context.Context, d *upDocument) ([]docker.Usage, error) {
	var nodes []string
	for _, c := range d.Clusters {
		nodes = append(nodes, c.Nodes...)
	}
	return l.Docker.Memory(ctx, nodes...)
}
