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

// rememberServers plans a fault of the pods behind the workload in a region.
func rememberServers(ctx context.Context, s *Subject, r *Record) error {
	region := s.inRegion().Region
	found, objects := servers{}, []string{}
	for _, m := range s.members() {
		if m.Region != region {
			continue
		}
		pods, err := m.Servers(ctx, s.Workload)
		if err != nil {
			return m.failed(err, "pods of "+s.Workload.Service)
		}
		found[m.Name] = []string{}
		for _, p := range pods {
			found[m.Name] = append(found[m.Name], p.Name)
			objects = append(objects, p.Name)
		}
	}
	if len(objects) == 0 {
		return fmt.Errorf("nothing of %s runs in region %s", s.Workload.Service, region)
	}
	return r.remember(found, objects...)
}

func (s *Subject) eachServer(r *Record, f func(*member, mesh.Pod) error) error {
	all, err := former[servers](r)
	if err != nil {
		return err
	}
	for _, m := range s.members() {
		for _, name := range all[m.Name] {
			if err := f(m, mesh.Pod{Namespace: r.Namespace, Name: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteServers deletes the pods; grace is in seconds, nil for the pods' own.
func (s *Subject) deleteServers(ctx context.Context, r *Record, grace *int64) error {
	return s.eachServer(r, func(m *member, pod mesh.Pod) error {
		return m.failed(m.DeletePod(ctx, pod, grace), "pod "+pod.Name)
	})
}

// awaitServers waits until as many new pods are ready as there were before.
func (s *Subject) awaitServers(ctx context.Context, r *Record) error {
	old, err := former[servers](r)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, mesh.RemoveWithin, true, func(ctx context.Context) (bool, error) {
		missing := 0
		for _, m := range s.members() {
			if len(old[m.Name]) == 0 {
				continue
			}
			pods, err := m.Servers(ctx, s.Workload)
			if err != nil {
				return false, nil //nolint:nilerr // the deadline decides
			}
			missing += len(old[m.Name])
			for _, p := range pods {
				if !slices.Contains(old[m.Name], p.Name) && mesh.Ready(&p) {
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
