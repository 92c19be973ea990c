// Package nodeservice runs a service in a kind node: a shell script under the node's
// systemd, which restarts it with the node. It owns the script, its unit and its files.
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
	// Files of the service: text by absolute path in the node.
	Files map[string]string
	// Undo is for sh -eu. It runs in the node after the removal of the service and
	// reverts what that did besides its files. It must succeed if there is nothing to
	// revert.
	Undo string
	// Triggers reinstall the service when one of them changes. The cluster's ID must be
	// among them: a recreated node does not have the service.
	Triggers pulumi.ArrayInput
}

// New registers the service. opts must bring the command provider, in whose environment
// the docker command must find the daemon. With pulumi.DeletedWith in opts, the service
// is deleted with that resource. A node that does not exist or run needs no removal.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*local.Command, error) {
	return local.NewCommand(ctx, name, &local.CommandArgs{
		Create:   pulumi.String(findDaemon + "exec docker exec -i " + args.Node + " sh -eu"),
		Stdin:    pulumi.String(args.install()),
		Delete:   pulumi.String(findDaemon + args.removeIfThere()),
		Triggers: args.Triggers,
		// Otherwise the deletion of the old service would remove the new one from a node
		// of the same name.
	}, append(opts, pulumi.DeleteBeforeReplace(true))...)
}

// findDaemon finds a daemon that setup has started, which is not at docker's default
// address.
const findDaemon = `if [ -z "${DOCKER_HOST:-}" ] && [ -S /run/meshwright/docker.sock ] && ! docker version >/dev/null 2>&1; then
  export DOCKER_HOST=unix:///run/meshwright/docker.sock
fi
`

func (a *Args) script() string { return "/usr/local/bin/" + a.Service }

func (a *Args) unit() string { return "/etc/systemd/system/" + a.Service + ".service" }

// install is a script for the node that installs and starts the service, or restarts it
// after a change.
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

// removeIfThere is a script for the host. It contains the script for the node, because
// its standard input is that of the installation.
func (a *Args) removeIfThere() string {
	return fmt.Sprintf(`set -eu
running=$(docker ps --quiet --filter 'name=^/?%[1]s$')
[ -n "$running" ] || exit 0
exec docker exec -i %[1]s sh -eu <<'REMOVE'
%[2]sREMOVE
`, a.Node, a.remove())
}

// remove is a script for the node that removes the service completely.
func (a *Args) remove() string {
	files := append(slices.Sorted(maps.Keys(a.Files)), a.script(), a.unit())
	return fmt.Sprintf(`[ ! -e %[1]s ] || systemctl disable --quiet --now %[2]s.service
rm -f %[3]s
systemctl daemon-reload
%[4]s`, a.unit(), a.Service, strings.Join(files, " "), a.Undo)
}
