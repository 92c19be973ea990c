// Package nodeservice keeps a service of ours running in a kind node: a shell script
// under the node's systemd, so that it comes back when the node is restarted. It
// owns the script, its unit and its files, and knows nothing of what they do.
package nodeservice

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args describes a service in one node. Texts end with a newline.
type Args struct {
	// Node is the name of the node's container.
	Node string
	// Service is the name of the unit, and of the script in the node's /usr/local/bin.
	Service     string
	Description string
	// Script is for sh. It starts with the node, and again a second after it ends.
	Script string
	// Files are what else it needs: text by absolute path in the node.
	Files map[string]string
	// Undo is for sh -eu. It runs in the node after the service has been removed and
	// reverts its other effects. It must succeed when there are none.
	Undo string
	// Triggers reinstall the service when one of them changes. The cluster's ID must be
	// one of them: a recreated node has no service.
	Triggers pulumi.ArrayInput
}

// New registers the service. opts must have the command provider, whose environment
// must let the docker command find the daemon. They may have pulumi.DeletedWith: the
// service is then not removed by itself. A node that does not exist or does not run is
// skipped.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*local.Command, error) {
	return local.NewCommand(ctx, name, &local.CommandArgs{
		Create:   pulumi.String(findDaemon + "exec docker exec -i " + args.Node + " sh -eu"),
		Stdin:    pulumi.String(args.install()),
		Delete:   pulumi.String(findDaemon + args.removeIfThere()),
		Triggers: args.Triggers,
		// In the other order the removal of the old one would hit the new one, in a
		// node of the same name.
	}, append(opts, pulumi.DeleteBeforeReplace(true))...)
}

// findDaemon finds a daemon that setup has started, which docker does not by itself.
const findDaemon = `if [ -z "${DOCKER_HOST:-}" ] && [ -S /run/meshwright/docker.sock ] && ! docker version >/dev/null 2>&1; then
  export DOCKER_HOST=unix:///run/meshwright/docker.sock
fi
`

func (a *Args) script() string { return "/usr/local/bin/" + a.Service }

func (a *Args) unit() string { return "/etc/systemd/system/" + a.Service + ".service" }

// install is a script for the node that installs and starts the service, or restarts
// it with what has changed.
func (a *Args) install() string {
	var b strings.Builder
	write := func(file, text string) { fmt.Fprintf(&b, "cat > %s <<'END'\n%sEND\n", file, text) }
	for _, file := range slices.Sorted(maps.Keys(a.Files)) {
		fmt.Fprintf(&b, "mkdir -p %s\n", path.Dir(file))
		write(file, a.Files[file])
	}
	write(a.script(), a.Script)
	write(a.unit(), fmt.Sprintf(`[Unit]
Description=%s
After=network.target
[Service]
ExecStart=%s
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
`, a.Description, a.script()))
	fmt.Fprintf(&b, `chmod 755 %[1]s
systemctl daemon-reload
systemctl enable --quiet %[2]s.service
systemctl restart %[2]s.service
`, a.script(), a.Service)
	return b.String()
}

// removeIfThere is a script for the host. Its standard input is the installation's,
// so that it brings the removal's along.
func (a *Args) removeIfThere() string {
	return fmt.Sprintf(`set -eu
running=$(docker ps --quiet --filter 'name=^/?%[1]s$')
[ -n "$running" ] || exit 0
exec docker exec -i %[1]s sh -eu <<'REMOVE'
%[2]sREMOVE
`, a.Node, a.remove())
}

// remove is a script for the node that leaves nothing of the service.
func (a *Args) remove() string {
	files := append(slices.Sorted(maps.Keys(a.Files)), a.script(), a.unit())
	return fmt.Sprintf(`[ ! -e %[1]s ] || systemctl disable --quiet --now %[2]s.service
rm -f %[3]s
systemctl daemon-reload
%[4]s`, a.unit(), a.Service, strings.Join(files, " "), a.Undo)
}
