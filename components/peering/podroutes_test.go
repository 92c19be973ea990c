package peering

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component/nodeservice/fakenode"
	"github.com/meshwright/meshwright/internal/provider/command"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// The node's commands keep its routes in the file /routes and its nat table in /nat,
// in the form in which they list them.
const (
	ip = `f=$ROOT/routes
without() { grep -v "^$1 " $f > $f.new; mv $f.new $f; }
case "$*" in
"route replace "*) without "$3"; shift 2; echo "$*" >> $f ;;
"route del "*) grep -q "^$3 .* $4 $5\$" $f || exit 2; without "$3" ;;
"route show proto "*) sed -n "s/ proto $4\$//p" $f ;;
"route flush proto "*) grep -v " proto $4\$" $f > $f.new; mv $f.new $f ;;
*) echo "fake ip: $*" >&2; exit 1 ;;
esac
`
	iptables = `f=$ROOT/nat
[ "$1 $2 $3" = "-w -t nat" ] || exit 1
shift 3
op=$1 chain=$2
shift
case $op in
-C) grep -qxFe "-A $*" $f ;;
-I) { echo "-A $*"; cat $f; } > $f.new; mv $f.new $f ;;
-D) grep -qxFe "-A $*" $f && { grep -vxFe "-A $*" $f > $f.new; mv $f.new $f; } ;;
-S) grep -e "^-[NA] $chain" $f ;;
-F) grep -ve "^-A $chain " $f > $f.new; mv $f.new $f ;;
-X) grep -qe "-[Aj] $chain" $f && exit 1; grep -vxFe "-N $chain" $f > $f.new; mv $f.new $f ;;
*) echo "fake iptables: $*" >&2; exit 1 ;;
esac
`
	// Declared chains are emptied.
	iptablesRestore = `f=$ROOT/nat
[ "$*" = "-w --noflush" ] || exit 1
while read -r word rest; do
  case $word in
  :*) grep -v -e "^-A ${word#:} " -e "^-N ${word#:}\$" $f > $f.new; mv $f.new $f; echo "-N ${word#:}" >> $f ;;
  -A) echo "-A $rest" >> $f ;;
  esac
done
`
	// Names are in /names; whoever sleeps ends the service, after one pass.
	getent = `sed -n "s/^$2 //p" $ROOT/names
`
	sleep = `kill $PPID
`
)

// nodeWith is a node with routes and rules of others.
func nodeWith(t *testing.T, routes, nat string) *fakenode.Node {
	node := fakenode.New(t)
	for name, script := range map[string]string{"ip": ip, "iptables": iptables, "iptables-restore": iptablesRestore, "getent": getent, "sleep": sleep} {
		node.Command(name, script)
	}
	node.Write("/routes", routes)
	node.Write("/nat", nat)
	return node
}

// pass lets the service go through its loop once.
func pass(t *testing.T, node *fakenode.Node) {
	t.Helper()
	err := node.Run("/usr/local/bin/meshwright-routes")
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the service ended by itself: %v", err)
	}
}

func expect(t *testing.T, node *fakenode.Node, when string, routes, nat []string) {
	t.Helper()
	for file, want := range map[string][]string{"/routes": routes, "/nat": nat} {
		got := slices.Collect(strings.Lines(node.Read(file)))
		for i := range got {
			got[i] = strings.TrimSuffix(got[i], "\n")
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", when, file, diff)
		}
	}
}

// TestRoutesComeAndGo takes a node through its cluster's time on a flat network, with
// the script that runs there: two peers, one peer that has moved, none.
func TestRoutesComeAndGo(t *testing.T) {
	const (
		foreign = "10.99.0.0/16 via 10.192.0.9 proto static"
		masq    = "-A POSTROUTING -s 10.10.0.0/16 -j KINDNET-MASQ"
		jump    = "-A POSTROUTING -s 10.10.0.0/16 -j MESHWRIGHT-ROUTES"
		chain   = "-N MESHWRIGHT-ROUTES"
		toB     = "-A MESHWRIGHT-ROUTES -d 10.11.0.0/16 -j ACCEPT"
		toC     = "-A MESHWRIGHT-ROUTES -d 10.12.0.0/16 -j ACCEPT"
	)
	node := nodeWith(t, foreign+"\n", masq+"\n")
	b, c := Peer{"lab-b-control-plane", "10.11.0.0/16"}, Peer{"lab-c-control-plane", "10.12.0.0/16"}
	node.Write("/names", "lab-b-control-plane 10.192.0.3 STREAM\nlab-b-control-plane 10.192.0.3 DGRAM\nlab-c-control-plane 10.192.0.4 STREAM\n")
	provider, urn := pt.Serve(t, command.New), pt.URN("command:local:Command", "routes")

	r := provider.MustCreate(urn, routesTo(t, b, c).Inputs)
	if got := node.Read("/etc/kindnet/no-masquerade.d/meshwright"); got != "10.11.0.0/16\n10.12.0.0/16\n" {
		t.Errorf("kindnet is told %q", got)
	}
	for range 2 { // the second finds all in place
		pass(t, node)
		expect(t, node, "two peers",
			[]string{foreign, "10.11.0.0/16 via 10.192.0.3 proto 77", "10.12.0.0/16 via 10.192.0.4 proto 77"},
			[]string{jump, masq, chain, toB, toC})
	}

	node.Write("/names", "lab-b-control-plane 10.192.0.7 STREAM\n")
	r, err := provider.Update(t.Context(), r, routesTo(t, b).Inputs)
	if err != nil {
		t.Fatal(err)
	}
	pass(t, node)
	expect(t, node, "one peer, elsewhere", []string{foreign, "10.11.0.0/16 via 10.192.0.7 proto 77"}, []string{jump, masq, chain, toB})

	// Somebody flushes the table, and a name is not known for a while.
	node.Write("/nat", "")
	node.Write("/names", "")
	pass(t, node)
	expect(t, node, "after a flush", []string{foreign, "10.11.0.0/16 via 10.192.0.7 proto 77"}, []string{jump, chain, toB})

	node.Write("/nat", node.Read("/nat")+masq+"\n")
	for range 2 {
		if err := provider.Delete(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		expect(t, node, "no peer", []string{foreign}, []string{masq})
		if got := slices.DeleteFunc(node.Files(), func(f string) bool { return strings.Count(f, "/") == 1 }); len(got) > 0 {
			t.Errorf("left in the node: %v", got)
		}
	}
}

// routesTo is what the program registers for the node of cluster a.
func routesTo(t *testing.T, peers ...Peer) fakenode.Command {
	t.Helper()
	return fakenode.Commands(t, func(ctx *pulumi.Context) error {
		_, err := NewPodRoutes(ctx, "routes", &PodRoutesArgs{
			Nodes: []string{"lab-a-control-plane"}, PodSubnet: "10.10.0.0/16", Peers: peers, ClusterID: pulumi.String("id"),
		})
		return err
	})["routes-lab-a-control-plane"]
}
