package automation

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
)

// stateFile is where the local backend keeps the lab's stack.
func (l *Lab) stateFile() string { return stateFile(l.backendDir(), l.o.Name) }

func stateFile(backend, stack string) string {
	return filepath.Join(backend, ".pulumi", "stacks", projectName, stack+".json")
}

// stateExists reports whether the lab's stack may exist: for certain with the
// local backend, by the lab's own record with another.
func (l *Lab) stateExists() bool {
	path := l.stateFile()
	if l.o.Backend != "" {
		path = l.recordFile()
	}
	_, err := os.Stat(path)
	return err == nil
}

// snapshot is the part of a deployment that the driver looks at.
type snapshot struct {
	Resources []struct {
		Type   string `json:"type"`
		Custom bool   `json:"custom"`
		// Outputs is undecoded: secrets are ciphertext, shapes differ.
		Outputs map[string]json.RawMessage `json:"outputs"`
	} `json:"resources"`
	Pending []json.RawMessage `json:"pending_operations"`
}

// real counts the resources that stand for something outside the state.
func (s snapshot) real() int {
	n := 0
	for _, r := range s.Resources {
		if r.Custom && !strings.HasPrefix(r.Type, "pulumi:providers:") {
			n++
		}
	}
	return n
}

// nodes are the names of the kind nodes that the state knows.
func (s snapshot) nodes() []string {
	var all []string
	for _, r := range s.Resources {
		var names []string
		if r.Type == kindCluster && json.Unmarshal(r.Outputs["nodeNames"], &names) == nil {
			all = append(all, names...)
		}
	}
	return all
}

// ranges are the addresses that the state's network and clusters have.
func (s snapshot) ranges() []netip.Prefix {
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

func (l *Lab) localSnapshot() (snapshot, error) { return readSnapshot(l.stateFile()) }

// readSnapshot reads the checkpoint of the local backend, which costs nothing
// beside a run of the command line. A stack never updated has none.
func readSnapshot(path string) (snapshot, error) {
	var file struct {
		Checkpoint struct {
			Latest snapshot `json:"latest"`
		} `json:"checkpoint"`
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	return file.Checkpoint.Latest, nil
}

// snapshot is what the lab's state holds. The lab must have one.
func (l *Lab) snapshot(ctx context.Context) (snapshot, error) {
	if l.o.Backend == "" {
		return l.localSnapshot()
	}
	if err := ensurePassphrase(l.passphraseFile(), true, l.Flags()); err != nil {
		return snapshot{}, err
	}
	ws, err := l.reader(ctx)
	if err != nil {
		return snapshot{}, engineError(err)
	}
	d, err := ws.ExportStack(ctx, l.o.Name)
	if err != nil {
		return snapshot{}, engineError(err)
	}
	var s snapshot
	if len(d.Deployment) == 0 {
		return s, nil
	}
	return s, json.Unmarshal(d.Deployment, &s)
}

// forgetPending drops the operations that a killed engine left open. What they
// had begun is found again by the providers: creation of a cluster replaces a
// half of one that is ours, and server-side apply repeats itself.
func forgetPending(ctx context.Context, stack *auto.Stack) error {
	d, err := stack.Export(ctx)
	if err != nil {
		return fmt.Errorf("pending operations: %w", engineError(err))
	}
	cleaned, err := withoutPending(d)
	if err != nil {
		return fmt.Errorf("pending operations: %w", err)
	}
	if err := stack.Import(ctx, cleaned); err != nil {
		return fmt.Errorf("pending operations: %w", engineError(err))
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
