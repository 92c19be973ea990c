// Package fakenode stands in for a kind node in tests of what runs there: a docker
// command that has this machine's shell run what a container should, in a directory
// that takes the place of the node's root.
package fakenode

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Node is a node that runs.
type Node struct {
	t    testing.TB
	root string
	bin  string // its commands, before this machine's
}

// systemctl keeps a record, and knows units by their files.
const systemctl = `echo "$*" >> $ROOT/systemctl
for unit; do :; done
case $unit in *.service) [ -e $ROOT/etc/systemd/system/$unit ] || { echo "Unit $unit does not exist" >&2; exit 1; } ;; esac
`

// docker is the part of it that is called: the daemon answers, lists one container
// if it runs, and runs a script in it.
const docker = `case $1 in
version) ;;
ps) [ ! -e $ROOT/daemon-gone ] || exit 1; [ -e $ROOT/gone ] || echo 0123456789ab ;;
exec)
  [ ! -e $ROOT/gone ] || { echo "No such container" >&2; exit 1; }
  sed -e "s#/etc/#$ROOT/etc/#g" -e "s#/usr/local/bin/#$ROOT/usr/local/bin/#g" | PATH=$BIN:$PATH sh -eu ;;
*) echo "fake docker: $*" >&2; exit 1 ;;
esac
`

// New makes a node and the docker command that finds it.
func New(t testing.TB) *Node {
	t.Helper()
	n := &Node{t: t, root: t.TempDir(), bin: t.TempDir()}
	for _, dir := range []string{"etc/systemd/system", "usr/local/bin"} {
		if err := os.MkdirAll(filepath.Join(n.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	n.Command("systemctl", systemctl)
	host := t.TempDir()
	n.command(host, "docker", docker)
	t.Setenv("PATH", host+string(os.PathListSeparator)+os.Getenv("PATH"))
	return n
}

// Command gives the node a command: a script for sh in which $ROOT is the node's root.
func (n *Node) Command(name, script string) { n.command(n.bin, name, script) }

func (n *Node) command(dir, name, script string) {
	n.t.Helper()
	text := "#!/bin/sh\nROOT=" + n.root + " BIN=" + n.bin + "\n" + script
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil { //nolint:gosec // it has to run
		n.t.Fatal(err)
	}
}

// Write and Read are for files of the node, by absolute path. One that is not there
// reads as "".
func (n *Node) Write(path, text string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.root, path), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *Node) Read(path string) string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.root, path))
	if err != nil && !os.IsNotExist(err) {
		n.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), n.root, "")
}

// Files are the paths of all files of the node but the record of systemctl, sorted.
func (n *Node) Files() []string {
	n.t.Helper()
	files := []string{}
	err := filepath.WalkDir(n.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "systemctl" {
			files = append(files, strings.TrimPrefix(path, n.root))
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return files
}

// Systemctl is what systemctl was asked since the last call.
func (n *Node) Systemctl() []string {
	n.t.Helper()
	lines := strings.Split(strings.TrimSpace(n.Read("/systemctl")), "\n")
	n.Write("/systemctl", "")
	return lines
}

// Remove takes the node's container away; StopDaemon stops Docker itself.
func (n *Node) Remove() { n.Write("/gone", "") }

// StopDaemon has docker answer nothing any more.
func (n *Node) StopDaemon() { n.Write("/daemon-gone", "") }

// Run starts a script in the node as systemd does and waits for its end.
func (n *Node) Run(script string) error {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), filepath.Join(n.root, script)) //nolint:gosec // the test's own
	cmd.Env = append(os.Environ(), "PATH="+n.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if len(out) > 0 {
		n.t.Logf("%s: %s", script, out)
	}
	return err
}

// Command is a local.Command as a program registers it.
type Command struct {
	Inputs resource.PropertyMap
	// DeleteBeforeReplace is the option of that name.
	DeleteBeforeReplace bool
}

// Commands runs a program and returns the commands that it registers, by name.
func Commands(t testing.TB, program func(*pulumi.Context) error) map[string]Command {
	t.Helper()
	r := &recorder{seen: map[string]Command{}}
	if err := pulumi.RunErr(program, pulumi.WithMocks("meshwright", "lab", r)); err != nil {
		t.Fatal(err)
	}
	return r.seen
}

type recorder struct {
	mu   sync.Mutex
	seen map[string]Command
}

func (r *recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if args.TypeToken == "command:local:Command" {
		r.seen[args.Name] = Command{args.Inputs, args.RegisterRPC.GetDeleteBeforeReplace()}
	}
	return args.Name + "-id", args.Inputs, nil
}
