package verify

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
)

// breakAndMend makes the region fail and restores it, each at its time, and
// notes the pods and the moments.
func (m *session) breakAndMend(ctx context.Context, p FailoverPlan, plan load.Plan, data *FailoverData) error {
	var mu sync.Mutex
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		data.Events = append(data.Events, Moment{At: seconds(time.Since(data.Started)), What: what})
	}
	at := func(part float64) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Until(data.Started.Add(time.Duration(part * float64(plan.Duration))))):
			return nil
		}
	}
	victims, err := m.victims(ctx, p.Region)
	if err != nil {
		return err
	}
	for _, v := range victims {
		data.Failed = append(data.Failed, v.pod.Name)
	}
	if err := at(partBefore); err != nil {
		return err
	}
	note(MomentFault)
	for _, v := range victims {
		if err := v.strike(ctx, p.Fault); err != nil {
			return err
		}
	}
	note(MomentFaulted)
	if p.Fault != FaultKill { // a killed pod is made again at once
		if err := at(partFault); err != nil {
			return err
		}
		note(MomentRestore)
		for _, v := range victims {
			if err := v.remove(ctx, nil); err != nil {
				return err
			}
		}
	}
	if err := m.awaitServers(ctx, p.Region, victims); err != nil {
		return err
	}
	note(MomentRestored)
	return nil
}

// victim is a server pod of the failing region.
type victim struct {
	member *mesh.Member
	pod    corev1.Pod
}

func (m *session) victims(ctx context.Context, region string) ([]victim, error) {
	var out []victim
	for _, c := range m.members {
		if c.Region != region {
			continue
		}
		pods, err := c.Servers(ctx, m.workload)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		for _, p := range pods {
			out = append(out, victim{c, p})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing of %s runs there", m.workload.Service)
	}
	return out, nil
}

func (v victim) strike(ctx context.Context, fault string) error {
	if fault == FaultKill {
		return v.remove(ctx, new(int64(0)))
	}
	path := "drain_listeners"
	if fault == FaultGraceful {
		path += "?graceful"
	}
	// pilot-agent is in every image of the proxy; curl is not.
	res, err := v.member.Exec(ctx, mesh.Ref(&v.pod), mesh.Sidecar, []string{"pilot-agent", "request", "POST", path})
	if err != nil {
		return fmt.Errorf("cluster %s: %w", v.member.Name, err)
	}
	if res.Code != 0 {
		return fmt.Errorf("cluster %s: pod %s: %s ended with code %d: %s", v.member.Name, v.pod.Name, path, res.Code, excerpt(string(res.Stderr)))
	}
	return nil
}

func (v victim) remove(ctx context.Context, grace *int64) error {
	if err := v.member.DeletePod(ctx, mesh.Ref(&v.pod), grace); err != nil {
		return fmt.Errorf("cluster %s: pod %s: %w", v.member.Name, v.pod.Name, err)
	}
	return nil
}

// awaitServers waits until as many new pods are ready as there were victims.
func (m *session) awaitServers(ctx context.Context, region string, victims []victim) error {
	old := map[string]bool{}
	for _, v := range victims {
		old[v.pod.Name] = true
	}
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, removeWithin, true, func(ctx context.Context) (bool, error) {
		now, err := m.victims(ctx, region)
		if err != nil {
			return false, nil //nolint:nilerr // nothing runs yet; the deadline decides
		}
		fresh := 0
		for _, v := range now {
			if !old[v.pod.Name] && mesh.Ready(&v.pod) {
				fresh++
			}
		}
		return fresh >= len(victims), nil
	})
	if err != nil {
		return fmt.Errorf("the pods that replace the failed ones are not ready: %w", err)
	}
	return nil
}
