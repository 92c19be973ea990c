package mesh

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInboundPeers(t *testing.T) {
	// Of a pod with a sidecar: a listener, two clients, a closed one, a
	// connection of the sidecar to the application, one to the status port, and
	// one over an IPv6 socket.
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 1 1
   1: 07000A0A:3A9E 05000B0A:D431 01 00000000:00000000 00:00000000 00000000  1337        0 2 1
   2: 07000A0A:3A9E 0300C00A:9C40 01 00000000:00000000 00:00000000 00000000  1337        0 3 1
   3: 07000A0A:3A9E 09000B0A:9C41 06 00000000:00000000 00:00000000 00000000     0        0 0 3
   4: 07000A0A:1388 0600007F:8001 01 00000000:00000000 00:00000000 00000000     0        0 4 1
   5: 07000A0A:3AAD 0100C00A:8002 01 00000000:00000000 00:00000000 00000000  1337        0 5 1
  sl  local_address                         remote_address                        st tx_queue
   0: 0000000000000000FFFF000007000A0A:3A9E 0000000000000000FFFF000006000B0A:D432 01 00000000:00000000
`
	want := []string{"10.11.0.5", "10.11.0.6", "10.192.0.3"}
	if diff := cmp.Diff(want, inboundPeers(table, EnvoyInboundPort, 5000)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
