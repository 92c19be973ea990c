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
	steps:      drained("drain_listeners"),
}

// drained are the steps of a fault that posts a path to the admin port of every
// sidecar. pilot-agent is in every image of the proxy; curl is not.
func drained(path string) steps {
	return remembering[servers]{
		Was: serversOf,
		Inject: func(ctx context.Context, s *Subject, _ *member, all servers) error {
			return s.eachServer(all, func(m *member, pod mesh.Pod) error {
				res, err := m.Exec(ctx, pod, mesh.Sidecar, []string{"pilot-agent", "request", "POST", path})
				if err == nil && res.Code != 0 {
					err = fmt.Errorf("%s ended with code %d: %s", path, res.Code, strings.TrimSpace(string(res.Stderr)))
				}
				return m.failed(err, "pod "+pod.Name)
			})
		},
		Restore: func(ctx context.Context, s *Subject, at *member, all servers) error {
			if err := deleteServers(nil)(ctx, s, at, all); err != nil {
				return err
			}
			return awaitServers(ctx, s, at, all) // the pods that replace the drained ones listen
		},
	}
}
