package fault

import "context"

// callersMasqueraded makes a cluster's nodes send its pods' calls to a neighbour from
// their own addresses. Connections keep the address that they were made with, so the
// callers are renewed each time.
var callersMasqueraded = Fault{
	Name:  "callers-masqueraded",
	Title: "a node masquerades what its pods send to another cluster on its network",
	Needs: []Need{Neighbours, Nodes},
	at:    firstOf(true),
	steps: remembering[[]podRoute]{Was: routesOf(true), Inject: masquerade(hideCallers), Restore: masquerade(showCallers)},
}

func masquerade(script string) step[[]podRoute] {
	return func(ctx context.Context, s *Subject, at *member, _ []podRoute) error {
		if err := s.onNodes(ctx, at, "sh", "-euc", script); err != nil {
			return err
		}
		return at.renew(ctx, s.Workload.Namespace, s.Workload.Clients())
	}
}

// hideCallers removes what keeps a node from masquerading: the chain of the service
// that keeps the routes, and the list of the airgap kit's kindnet, which rereads it
// every few seconds.
const hideCallers = `systemctl stop ` + routeKeeper + `
iptables -w -t nat -F MESHWRIGHT-ROUTES
mv /etc/kindnet/no-masquerade.d/meshwright /etc/kindnet/meshwright.away
while read -r pods; do
  n=0
  while iptables -w -t nat -S | grep -qFe "-d $pods "; do
    [ $((n += 1)) -le 60 ] || { echo "$pods is still excepted"; exit 1; }
    sleep 0.5
  done
done < /etc/kindnet/meshwright.away
`

// showCallers is the remedy of check networks, after the list has been put back.
const showCallers = `[ ! -e /etc/kindnet/meshwright.away ] || mv /etc/kindnet/meshwright.away /etc/kindnet/no-masquerade.d/meshwright
systemctl enable --quiet --now ` + routeKeeper + `
`
