package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/workspace"
)

// File is where a local backend, a directory, keeps a stack.
func File(dir, stack string) string {
	return filepath.Join(dir, ".pulumi", "stacks", workspace.Project, stack+".json")
}

// Snapshot is the part of a deployment that the driver looks at.
type Snapshot struct {
	Resources []struct {
		Type   string `json:"type"`
		Custom bool   `json:"custom"`
		// Outputs is undecoded: secrets are ciphertext, shapes differ.
		Outputs map[string]json.RawMessage `json:"outputs"`
	} `json:"resources"`
	Pending []json.RawMessage `json:"pending_operations"`
}

// Real counts the resources that exist outside the state.
func (s Snapshot) Real() int {
	n := 0
	for _, r := range s.Resources {
		if r.Custom && !strings.HasPrefix(r.Type, "pulumi:providers:") {
			n++
		}
	}
	return n
}

// Nodes are the names of the kind nodes that the state knows.
func (s Snapshot) Nodes() []string {
	var all []string
	for _, r := range s.Resources {
		var names []string
		if r.Type == "meshwright:kind:Cluster" && json.Unmarshal(r.Outputs["nodeNames"], &names) == nil {
			all = append(all, names...)
		}
	}
	return all
}

// Ranges are the addresses that the state's network and clusters have.
func (s Snapshot) Ranges() []netip.Prefix {
	var all []netip.Prefix
	for _, r := range s.Resources {
		if !strings.HasPrefix(r.Type, "meshwright:kind:") {
			continue
		}
		for _, property := range []string{"subnet", "podSubnet", "serviceSubnet"} {
			var text string
			if json.Unmarshal(r.Outputs[property], &text) != nil {
				continue
			}
			if p, err := netip.ParsePrefix(text); err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// Slots are the parts of the address plan that the state's clusters have, by name; nil
// for a lab that has none recorded.
func (s Snapshot) Slots() (slots map[string]int, err error) {
	for _, r := range s.Resources {
		if r.Type != "meshwright:kind:Addresses" {
			continue
		}
		if err := json.Unmarshal(r.Outputs["slots"], &slots); err != nil {
			return nil, fmt.Errorf("slots of %s: %w", r.Type, err)
		}
	}
	return slots, nil
}

// Read reads a checkpoint of the local backend, much faster than the CLI does. The
// snapshot is empty for a stack that was never updated.
func Read(path string) (Snapshot, error) {
	var file struct {
		Checkpoint struct {
			Latest Snapshot `json:"latest"`
		} `json:"checkpoint"`
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Snapshot{}, nil
	}
	if err != nil {
		return Snapshot{}, err
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	return file.Checkpoint.Latest, nil
}

// Export asks the engine for the snapshot of a stack in any backend.
func Export(ctx context.Context, ws auto.Workspace, stack string) (Snapshot, error) {
	d, err := ws.ExportStack(ctx, stack)
	if err != nil {
		return Snapshot{}, engine.Readable(err)
	}
	var s Snapshot
	if len(d.Deployment) == 0 {
		return s, nil
	}
	return s, json.Unmarshal(d.Deployment, &s)
}

// ForgetPending drops the operations that a killed engine left open. The providers
// find what they had begun: creating a cluster replaces an incomplete one that is
// ours, and server-side apply can be repeated.
func ForgetPending(ctx context.Context, stack *auto.Stack) error {
	d, err := stack.Export(ctx)
	if err == nil {
		d, err = withoutPending(d)
	}
	if err == nil {
		err = stack.Import(ctx, d)
	}
	if err != nil {
		return fmt.Errorf("pending operations: %w", engine.Readable(err))
	}
	return nil
}

func withoutPending(d apitype.UntypedDeployment) (apitype.UntypedDeployment, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(d.Deployment, &raw); err != nil {
		return d, err
	}
	delete(raw, "pending_operations")
	data, err := json.Marshal(raw)
	if err != nil {
		return d, err
	}
	d.Deployment = data
	return d, nil
}
