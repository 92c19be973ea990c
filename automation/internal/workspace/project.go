package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

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
	if old, err := workspace.LoadProjectStack(nil, project, path); err == nil {
		settings.EncryptionSalt, settings.SecretsProvider = old.EncryptionSalt, old.SecretsProvider
	}
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
	if err := os.Symlink(to, link); !errors.Is(err, fs.ErrExist) { // then another process has made it
		return err
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
