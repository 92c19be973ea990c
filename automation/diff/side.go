package diff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	stacks  map[string]stackFile // by name; none when the revision has no project
	missing []string             // submodules whose files are not on this machine
	binary  string               // the program, compiled
	inline  pulumi.RunFunc       // in tests: the program itself
}

// stackFile is what the file of a stack's settings says, or why that is not known. It
// matters only to a comparison of that stack.
type stackFile struct {
	settings *workspace.Settings
	err      error
}

// openSide reads the project out of a checkout. A revision without one has no
// stacks.
func openSide(label, root, project string) (*side, error) {
	s := &side{label: label, root: root, dir: filepath.Join(root, project), stacks: map[string]stackFile{}}
	var err error
	s.project, err = pulumiworkspace.LoadProject(filepath.Join(s.dir, "Pulumi.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: Pulumi.yaml: %w", label, err)
	}
	dir := workspace.SettingsDir(s.dir, s.project)
	if inside, err := filepath.Rel(root, dir); err != nil || !filepath.IsLocal(inside) {
		return nil, fmt.Errorf("%s: Pulumi.yaml: stackConfigDir %s is not in the repository", label, s.project.StackConfigDir)
	}
	for _, name := range workspace.StacksIn(dir) {
		settings, err := readStack(dir, name)
		if err != nil {
			err = fmt.Errorf("%s: %w", label, err)
		}
		s.stacks[name] = stackFile{settings, err}
	}
	return s, nil
}

func readStack(dir, name string) (*workspace.Settings, error) {
	file := "Pulumi." + name + ".yaml"
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	settings, err := workspace.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if err := standIn(settings); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return settings, nil
}

// has reports whether the stack has a file of settings, which need not be readable.
func (s *side) has(stack string) bool {
	_, ok := s.stacks[stack]
	return ok
}

// unreadable is why the stack's settings are not known.
func (s *side) unreadable(stack string) error { return s.stacks[stack].err }

func (s *side) names() []string { return slices.Collect(maps.Keys(s.stacks)) }

// compile builds the program and makes the checkout's project refer to it, so that
// the engine does not compile it again.
func (s *side) compile(ctx context.Context, cache string) error {
	var err error
	if s.binary, err = revision.Build(ctx, s.root, s.dir, cache); err != nil {
		if len(s.missing) > 0 {
			err = fmt.Errorf("%w\nsubmodules that are not here: %s; get them with: git submodule update --init --recursive", err, strings.Join(s.missing, ", "))
		}
		return fmt.Errorf("%s: %w", s.label, err)
	}
	return s.writeProject()
}

func (s *side) writeProject() error {
	p := *s.project
	p.Runtime = pulumiworkspace.NewProjectRuntimeInfo("go", map[string]any{"binary": s.binary})
	// The providers and the backend are ours here.
	p.Plugins, p.Backend, p.Options, p.StackConfigDir = nil, nil, nil, ""
	path := filepath.Join(s.dir, "Pulumi.yaml")
	if err := os.RemoveAll(path); err != nil { // a link would lead out of the checkout
		return err
	}
	return p.Save(path)
}

// writeSettings writes one stack's settings into the checkout, under the name of the
// lab that is simulated, with the salt of the state that they go with.
func (s *side) writeSettings(stack, salt string) error {
	settings := s.stacks[stack].settings
	settings.EncryptionSalt = salt
	path := s.settingsFile(stack)
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return settings.Save(path)
}

func (s *side) settingsFile(stack string) string {
	return filepath.Join(s.dir, "Pulumi."+workspace.LabName(stack)+".yaml")
}

// salt is the one that the engine put into a stack's settings.
func (s *side) salt(stack string) (string, error) {
	settings, err := pulumiworkspace.LoadProjectStack(nil, s.project, s.settingsFile(stack))
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
