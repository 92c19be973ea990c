package kind

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/internal/docker"
)

// forgetNetwork removes a node's CNI configuration whenever the node starts, so that
// pods start in the same order as the first time. With the file of the last start in
// place the kubelet starts every pod at once, before kube-proxy has restored the rules
// of Services, and requests to a Service time out for half a minute. Without the file,
// pods wait until kindnet, which needs no Service, has written it again.
const forgetNetwork = `cat > /etc/systemd/system/forget-network.service <<'END'
[Unit]
Description=Forget the pod network of the last start
Before=kubelet.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'rm -f /etc/cni/net.d/*'
[Install]
WantedBy=multi-user.target
END
systemctl enable --quiet forget-network.service`

// easeRestarts prepares new nodes for restarts.
func easeRestarts(ctx context.Context, d daemon, nodes []docker.Container) error {
	for _, n := range nodes {
		if _, err := d.Output(ctx, n.ID, "sh", "-euc", forgetNetwork); err != nil {
			return fmt.Errorf("prepare node %s for restarts: %w", n.Name, err)
		}
	}
	return nil
}
