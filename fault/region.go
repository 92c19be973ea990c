package fault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/meshwright/meshwright/mesh"
)

// inRegion returns the first cluster of the region that fails; without a region, the
// first that serves the workload.
func (s *Subject) inRegion() *member {
	for _, m := range s.members() {
		if m.Region == s.Region || s.Region == "" && len(s.Workload.Versions[m.Name]) > 0 {
			return m
		}
	}
	return nil
}

// servers are the names of pods by cluster.
type servers map[string][]string

// serversOf reads the pods behind the workload in a region.
func serversOf(ctx context.Context, s *Subject, at *member) (servers, []string, error) {
	found, names := servers{}, []string{}
	for _, m := range s.members() {
		if m.Region != at.Region {
			continue
		}
		pods, err := m.Servers(ctx, s.Workload)
		if err != nil {
			return nil, nil, m.failed(err, "pods of "+s.Workload.Service)
		}
		for _, p := range pods {
			found[m.Name] = append(found[m.Name], p.Name)
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("nothing of %s runs in region %s", s.Workload.Service, at.Region)
	}
	return found, names, nil
}

func (s *Subject) eachServer(all servers, f func(*member, mesh.Pod) error) error {
	for _, m := range s.members() {
		for _, name := range all[m.Name] {
			if err := f(m, mesh.Pod{Namespace: s.Workload.Namespace, Name: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteServers deletes the pods; grace is in seconds, nil for the pods' own.
func deleteServers(grace *int64) step[servers] {
	return func(ctx context.Context, s *Subject, _ *member, all servers) error {
		return s.eachServer(all, func(m *member, pod mesh.Pod) error {
			return m.failed(m.DeletePod(ctx, pod, grace), "pod "+pod.Name)
		})
	}
}

// awaitServers waits until as many new pods are ready as there were before.
func awaitServers(ctx context.Context, s *Subject, _ *member, old servers) error {
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, mesh.RemoveWithin, true, func(ctx context.Context) (bool, error) {
		missing := 0
		for cluster, names := range old {
			m := s.member(cluster)
			if m == nil {
				return false, fmt.Errorf("cluster %s is not among the clusters", cluster)
			}
			pods, err := m.Servers(ctx, s.Workload)
			if err != nil {
				return false, nil //nolint:nilerr // the deadline decides
			}
			missing += len(names)
			for _, p := range pods {
				if !slices.Contains(names, p.Name) && mesh.Ready(&p) {
					missing--
				}
			}
		}
		return missing <= 0, nil
	})
	if err != nil {
		return fmt.Errorf("the pods that replace the failed ones are not ready: %w", err)
	}
	return nil
}
