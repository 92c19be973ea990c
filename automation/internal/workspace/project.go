package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Project is the name of the Pulumi project, and the namespace of its settings.
const Project = "meshwright"

// ProgramName is the name under which the meshwright executable is the Pulumi
// program itself, as the plain `pulumi` command line starts it.
const ProgramName = "meshwright-program"

// nameRule keeps "<lab>-<cluster>-control-plane" a valid host name.
var nameRule = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$`)

// NameRule says in words what ValidName accepts.
const NameRule = "at most 20 lower-case letters, digits and dashes, beginning with a letter"

// ValidName reports whether a lab, and a stack, may have this name.
func ValidName(name string) bool { return nameRule.MatchString(name) }

// FindProject returns dir or its nearest parent that holds Meshwright's
// Pulumi.yaml, or "".
func FindProject(dir string) string {
	for {
		p, err := workspace.LoadProject(filepath.Join(dir, "Pulumi.yaml"))
		if err == nil && p.Name == Project {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// LoadProject reads the project in dir; an empty one without a Pulumi.yaml and with dir "".
func LoadProject(dir string) (*workspace.Project, error) {
	if dir == "" {
		return &workspace.Project{Name: Project}, nil
	}
	path := filepath.Join(dir, "Pulumi.yaml")
	p, err := workspace.LoadProject(path)
	if errors.Is(err, fs.ErrNotExist) {
		return LoadProject("")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.Name = Project // the namespace of the settings, whatever the project is called
	return p, nil
}

// SettingsDir is where the project in dir keeps its stacks' settings.
func SettingsDir(dir string, p *workspace.Project) string {
	return filepath.Join(dir, p.StackConfigDir)
}

// LabName is a name that a lab of the stack may have: the stack's own, or one made from
// it that no other stack's is.
func LabName(stack string) string {
	if ValidName(stack) {
		return stack
	}
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(stack))
	sum := sha256.Sum256([]byte(stack))
	return "s-" + strings.Trim(plain[:min(10, len(plain))], "-") + "-" + hex.EncodeToString(sum[:3])
}

// Save writes the project and a stack's settings into dir. The salt that the engine
// put into an earlier copy is kept: the state's secrets need it.
func Save(dir, stack string, settings *Settings) error {
	project := &workspace.Project{
		Name: Project,
		// The driver runs the program inside its own process. For the plain
		// command line the executable serves as the program under this name.
		Runtime: workspace.NewProjectRuntimeInfo("go", map[string]any{"binary": filepath.Join(dir, ProgramName)}),
	}
	if err := project.Save(filepath.Join(dir, "Pulumi.yaml")); err != nil {
		return err
	}
	path := filepath.Join(dir, "Pulumi."+stack+".yaml")
	old, err := workspace.LoadProjectStack(nil, project, path)
	if err != nil { // of a file that is not there it is empty
		return fmt.Errorf("%s holds the salt of the state's secrets and cannot be read: %w", path, err)
	}
	settings.EncryptionSalt, settings.SecretsProvider, settings.EncryptedKey = old.EncryptionSalt, old.SecretsProvider, old.EncryptedKey
	return settings.Save(path)
}

// Link makes link a symbolic link to a file, whatever it was.
func Link(to, link string) error {
	if now, err := os.Readlink(link); err == nil && now == to {
		return nil
	}
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	if err := os.Symlink(to, link); err != nil && !errors.Is(err, fs.ErrExist) { // then another process has made it
		return fmt.Errorf("the state must be on a file system with symbolic links (XDG_STATE_HOME chooses another): %w", err)
	}
	return nil
}

// WriteFile replaces a private file (0600) in one step: a reader, and a crash, see
// the old content or the new, never half of it.
func WriteFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}
