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

// TestRouteScriptsParse has a shell read the scripts without running them, the
// outer one and the one that it writes into the node.
func TestRouteScriptsParse(t *testing.T) {
	script := installRoutes(flat)
	_, service, ok := strings.Cut(script, "cat > /usr/local/bin/meshwright-routes <<'END'\n")
	if !ok {
		t.Fatal("the service's script is not where it was")
	}
	service, _, _ = strings.Cut(service, "\nEND\n")
	for name, text := range map[string]string{"install": script, "service": service, "host": inNode("lab-a-control-plane")} {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s\n%s", name, err, out, text)
		}
	}
}

func TestRouteScriptNamesEveryPeer(t *testing.T) {
	script := installRoutes(flat)
	for _, p := range flat.Peers {
		if !strings.Contains(script, p.Gateway+" "+p.PodSubnet+"\n") {
			t.Errorf("no route to %s through %s", p.PodSubnet, p.Gateway)
		}
	}
}
