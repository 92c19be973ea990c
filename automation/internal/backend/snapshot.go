package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/automation/internal/engine"
)

// Snapshot is the part of a deployment that the driver looks at.
type Snapshot struct {
	Resources []struct {
		URN     string `json:"urn"`
		Type    string `json:"type"`
		Custom  bool   `json:"custom"`
		Protect bool   `json:"protect"`
		// Outputs is undecoded: secrets are ciphertext, shapes differ.
		Outputs map[string]json.RawMessage `json:"outputs"`
	} `json:"resources"`
	Pending []json.RawMessage `json:"pending_operations"`
}

// Empty reports whether nothing exists, or may exist, of what the state describes.
func (s Snapshot) Empty() bool { return s.Real() == 0 && len(s.Pending) == 0 }

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

// Protected are the names of the resources that are not to be deleted.
func (s Snapshot) Protected() []string {
	var all []string
	for _, r := range s.Resources {
		if r.Protect {
			all = append(all, resource.URN(r.URN).Name())
		}
	}
	return all
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

// Export asks the engine for the snapshot of a stack in any backend.
func Export(ctx context.Context, ws auto.Workspace, stack string) (Snapshot, error) {
	d, err := export(ctx, ws, stack)
	if err != nil {
		return Snapshot{}, err
	}
	var s Snapshot
	if len(d.Deployment) == 0 {
		return s, nil
	}
	return s, json.Unmarshal(d.Deployment, &s)
}

// export leaves the secrets encrypted, as the Automation API's own does not.
func export(ctx context.Context, ws auto.Workspace, stack string) (d apitype.UntypedDeployment, err error) {
	out, err := engine.Command(ctx, ws, nil, "stack", "export", "--stack", stack)
	if err == nil {
		err = json.Unmarshal([]byte(out), &d)
	}
	return d, err
}

// ForgetPending drops the operations that a killed engine left open. The providers
// find what they had begun: creating a cluster replaces an incomplete one that is
// ours, and server-side apply can be repeated. The state passes through memory,
// encrypted: the Automation API would write it decrypted into a temporary file.
func ForgetPending(ctx context.Context, stack *auto.Stack) error {
	ws := stack.Workspace()
	d, err := export(ctx, ws, stack.Name())
	if err == nil {
		d, err = withoutPending(d)
	}
	var data []byte
	if err == nil {
		data, err = json.Marshal(d)
	}
	if err == nil {
		_, err = engine.Command(ctx, ws, bytes.NewReader(data), "stack", "import", "--stack", stack.Name())
	}
	if err != nil {
		return fmt.Errorf("pending operations: %w", err)
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
