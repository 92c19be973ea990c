package diff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	pulumiworkspace "github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/revision"
)

// side is one of the two revisions of a comparison.
type side struct {
	label   string
	root    string // of the checkout
	dir     string // of the project in it
	project *pulumiworkspace.Project
	// settings of the stacks, by name; none when the revision has no project.
	settings map[string]*workspace.Settings
	binary   string         // the program, compiled
	inline   pulumi.RunFunc // in tests: the program itself
}

// openSide reads the project out of a checkout. A revision without one has no
// stacks.
func openSide(label, root, project string) (*side, error) {
	s := &side{label: label, root: root, dir: filepath.Join(root, project), settings: map[string]*workspace.Settings{}}
	var err error
	s.project, err = pulumiworkspace.LoadProject(filepath.Join(s.dir, "Pulumi.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: Pulumi.yaml: %w", label, err)
	}
	for _, name := range workspace.Stacks(s.dir) {
		if !workspace.ValidName(name) {
			return nil, fmt.Errorf("%s: Pulumi.%s.yaml: a stack's name is %s", label, name, workspace.NameRule)
		}
		data, err := os.ReadFile(filepath.Join(s.dir, "Pulumi."+name+".yaml"))
		if err != nil {
			return nil, err
		}
		settings, err := workspace.Parse("Pulumi."+name+".yaml", data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		if err := standIn(settings); err != nil {
			return nil, fmt.Errorf("%s: Pulumi.%s.yaml: %w", label, name, err)
		}
		s.settings[name] = settings
	}
	return s, nil
}

func (s *side) has(stack string) bool { return s.settings[stack] != nil }

func (s *side) names() []string {
	var names []string
	for name := range s.settings {
		names = append(names, name)
	}
	return names
}

// compile builds the program and makes the checkout's project refer to it, so that
// the engine does not compile it again.
func (s *side) compile(ctx context.Context, cache string) error {
	var err error
	if s.binary, err = revision.Build(ctx, s.root, s.dir, cache); err != nil {
		return fmt.Errorf("%s: %w", s.label, err)
	}
	return s.writeProject()
}

func (s *side) writeProject() error {
	p := *s.project
	p.Runtime = pulumiworkspace.NewProjectRuntimeInfo("go", map[string]any{"binary": s.binary})
	// The providers and the backend are ours here.
	p.Plugins, p.Backend, p.Options = nil, nil, nil
	path := filepath.Join(s.dir, "Pulumi.yaml")
	if err := os.RemoveAll(path); err != nil { // a link would lead out of the checkout
		return err
	}
	return p.Save(path)
}

// writeSettings writes one stack's settings into the checkout, with the salt of
// the state that they go with.
func (s *side) writeSettings(stack, salt string) error {
	settings := s.settings[stack]
	settings.EncryptionSalt = salt
	path := filepath.Join(s.dir, "Pulumi."+stack+".yaml")
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return settings.Save(path)
}

// salt is the one that the engine put into a stack's settings.
func (s *side) salt(stack string) (string, error) {
	settings, err := pulumiworkspace.LoadProjectStack(nil, s.project, filepath.Join(s.dir, "Pulumi."+stack+".yaml"))
	if err != nil {
		return "", err
	}
	return settings.EncryptionSalt, nil
}

// standIn takes the encryption out of settings. An encrypted value, which only
// its owner can decrypt, becomes a text computed from its ciphertext: the report shows
// that it changes, but not its value.
func standIn(settings *workspace.Settings) error {
	workspace.ForgetEncryption(settings)
	for key, v := range settings.Config {
		if !v.Secure() {
			continue
		}
		text, err := v.Value(ciphertexts{})
		if err != nil {
			return fmt.Errorf("setting %s: %w", key, err)
		}
		settings.Config[key] = config.NewValue(text)
		if v.Object() {
			settings.Config[key] = config.NewObjectValue(text)
		}
	}
	return nil
}

// ciphertexts decrypts to stand-ins.
type ciphertexts struct{}

func (ciphertexts) DecryptValue(_ context.Context, ciphertext string) (string, error) {
	sum := sha256.Sum256([]byte(ciphertext))
	return "encrypted-" + hex.EncodeToString(sum[:6]), nil
}

func (c ciphertexts) BatchDecrypt(ctx context.Context, texts []string) ([]string, error) {
	out := slices.Clone(texts)
	for i, text := range texts {
		out[i], _ = c.DecryptValue(ctx, text) // it has no error
	}
	return out, nil
}
