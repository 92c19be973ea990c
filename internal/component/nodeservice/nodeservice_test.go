package nodeservice

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component/nodeservice/fakenode"
	"github.com/meshwright/meshwright/internal/provider/command"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

var urn = pt.URN("command:local:Command", "keeper")

// keeper is a service that keeps a promise.
func keeper() *Args {
	return &Args{
		Node: "lab-a-control-plane", Service: "keeper", Description: "Keeps a promise",
		Script: "#!/bin/sh\ncat /etc/keeper/promise > /etc/kept\n",
		Files:  map[string]string{"/etc/keeper/promise": "now\n", "/etc/other.d/keeper": "$HOME `never`\n"},
		Undo:   "rm -f /etc/kept\n",
	}
}

// register is the service as the program registers it.
func register(t *testing.T, args *Args) fakenode.Command {
	t.Helper()
	args.Triggers = pulumi.Array{pulumi.String("id of a cluster")}
	return fakenode.Commands(t, func(ctx *pulumi.Context) error {
		_, err := New(ctx, "keeper", args)
		return err
	})["keeper"]
}

// TestLife installs, changes and removes a service, by the provider that does it in a
// lab, with a shell.
func TestLife(t *testing.T) {
	node := fakenode.New(t)
	before := node.Files()
	c := pt.Serve(t, command.New)
	args := keeper()
	r := c.MustCreate(urn, register(t, args).Inputs)

	want := []string{"daemon-reload", "enable --quiet keeper.service", "restart keeper.service"}
	if diff := cmp.Diff(want, node.Systemctl()); diff != "" {
		t.Errorf("systemctl (-want +got):\n%s", diff)
	}
	for path, text := range args.Files {
		if got := node.Read(path); got != text {
			t.Errorf("%s holds %q, want %q", path, got, text)
		}
	}
	unit := node.Read("/etc/systemd/system/keeper.service")
	for _, line := range []string{"Description=Keeps a promise\n", "ExecStart=/usr/local/bin/keeper\n", "WantedBy=multi-user.target\n"} {
		if !strings.Contains(unit, line) {
			t.Errorf("the unit lacks %q:\n%s", line, unit)
		}
	}
	if err := node.Run("/usr/local/bin/keeper"); err != nil || node.Read("/etc/kept") != "now\n" {
		t.Errorf("the service: %v, %q", err, node.Read("/etc/kept"))
	}

	args.Files = maps.Clone(args.Files)
	args.Files["/etc/keeper/promise"] = "soon\n"
	r, err := c.Update(t.Context(), r, register(t, args).Inputs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, node.Systemctl()); diff != "" || node.Read("/etc/keeper/promise") != "soon\n" {
		t.Errorf("promise %q; systemctl (-want +got):\n%s", node.Read("/etc/keeper/promise"), diff)
	}

	for range 2 { // what is gone can be removed again
		if err := c.Delete(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, node.Files()); diff != "" {
			t.Errorf("left in the node (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"disable --quiet --now keeper.service", "daemon-reload", "daemon-reload"}, node.Systemctl()); diff != "" {
		t.Errorf("systemctl (-want +got):\n%s", diff)
	}
}

// TestRemovalWithoutNode: nothing is to be removed from a node that is not there, but
// a Docker that does not answer is no proof of that.
func TestRemovalWithoutNode(t *testing.T) {
	node := fakenode.New(t)
	c := pt.Serve(t, command.New)
	r := c.MustCreate(urn, register(t, keeper()).Inputs)
	node.Remove()
	if err := c.Delete(t.Context(), r); err != nil {
		t.Errorf("the node is gone: %v", err)
	}
	if _, err := c.Create(t.Context(), urn, r.Inputs); err == nil {
		t.Error("installed into a node that is gone")
	}
	node.StopDaemon()
	if err := c.Delete(t.Context(), r); err == nil {
		t.Error("removed though Docker does not answer")
	}
}

// TestReplacement: a recreated cluster has nodes of the same names.
func TestReplacement(t *testing.T) {
	one := register(t, keeper())
	if !one.DeleteBeforeReplace {
		t.Error("the old one's removal would hit the new one")
	}
	other := one.Inputs.Copy()
	other["triggers"] = resource.NewArrayProperty([]resource.PropertyValue{resource.NewStringProperty("id of another")})
	fakenode.New(t)
	c := pt.Serve(t, command.New)
	if d := c.Diff(c.MustCreate(urn, one.Inputs), other); len(d.GetReplaces()) == 0 {
		t.Errorf("another cluster: %v", d)
	}
}
