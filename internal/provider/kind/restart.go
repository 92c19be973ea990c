package kind

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/internal/docker"
)

// forgetNetwork has a node forget its pod network whenever it starts again, so that
// it comes back in the order in which it first came up: with the file of the last
// time in place the kubelet starts every pod at once, before kube-proxy has put the
// services' rules back, and what a pod then sends to a service is lost without an
// answer for half a minute. Without the file, pods wait until kindnet, which needs no
// service, has written it anew.
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

// easeRestarts prepares nodes that were just made for being started again.
func easeRestarts(ctx context.Context, d daemon, nodes []docker.Container) error {
	for _, n := range nodes {
		if _, err := d.Output(ctx, n.ID, "sh", "-euc", forgetNetwork); err != nil {
			return fmt.Errorf("prepare node %s for restarts: %w", n.Name, err)
		}
	}
	return nil
}
