package fault

import (
	"context"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/mesh"
)

// drain makes the sidecars of a region's servers stop listening at once, as the
// article does.
var drain = Fault{
	Name:       "drain",
	Title:      "the sidecars of a region's servers stop listening at once",
	Needs:      []Need{Regions},
	OnWorkload: true,
	at:         (*Subject).inRegion,
	plan:       rememberServers,
	inject:     drainListeners("drain_listeners"),
	// The pods that replace the drained ones listen.
	restore: func(ctx context.Context, s *Subject, r *Record) error {
		if err := s.deleteServers(ctx, r, nil); err != nil {
			return err
		}
		return s.awaitServers(ctx, r)
	},
}

// drainListeners posts a path to the admin port of every sidecar. pilot-agent is in
// every image of the proxy; curl is not.
func drainListeners(path string) func(context.Context, *Subject, *Record) error {
	return func(ctx context.Context, s *Subject, r *Record) error {
		return s.eachServer(r, func(m *member, pod mesh.Pod) error {
			res, err := m.Exec(ctx, pod, mesh.Sidecar, []string{"pilot-agent", "request", "POST", path})
			if err == nil && res.Code != 0 {
				err = fmt.Errorf("%s ended with code %d: %s", path, res.Code, strings.TrimSpace(string(res.Stderr)))
			}
			return m.failed(err, "pod "+pod.Name)
		})
	}
}
