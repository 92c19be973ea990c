package peering

import (
	"os/exec"
	"strings"
	"testing"
)

var flat = &PodRoutesArgs{
	PodSubnet: "10.10.0.0/16",
	Peers:     []Peer{{"lab-b-control-plane", "10.11.0.0/16"}, {"lab-c-control-plane", "10.12.0.0/16"}},
}

// TestRouteScriptParses has a shell read the service's script without running it.
func TestRouteScriptParses(t *testing.T) {
	text := routeKeeper("lab-a-control-plane", flat).Script
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}

func TestRoutesNameEveryPeer(t *testing.T) {
	peers := routeKeeper("lab-a-control-plane", flat).Files["/etc/meshwright-routes.peers"]
	for _, p := range flat.Peers {
		if !strings.Contains(peers, p.Gateway+" "+p.PodSubnet+"\n") {
			t.Errorf("no route to %s through %s", p.PodSubnet, p.Gateway)
		}
	}
}
