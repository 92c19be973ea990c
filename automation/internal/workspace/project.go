package automation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// projectName is the Pulumi project's, and the namespace of its settings.
const projectName = "meshwright"

// FindProject returns dir or its nearest parent that holds Meshwright's
// Pulumi.yaml, or "".
func FindProject(dir string) string {
	for {
		p, err := workspace.LoadProject(filepath.Join(dir, "Pulumi.yaml"))
		if err == nil && p.Name == projectName {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// Stacks lists the stacks that the project in dir has settings for, sorted.
// With dir "" these are the ones built in.
func Stacks(dir string) []string {
	var files []string
	if dir == "" {
		files, _ = fs.Glob(builtin, "settings/Pulumi.*.yaml") // the pattern is well formed
	} else {
		files, _ = filepath.Glob(filepath.Join(dir, "Pulumi.*.yaml"))
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "Pulumi."), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// UnknownStackError says that a stack has no settings.
type UnknownStackError struct {
	Stack string
	Dir   string // "" when the built-in settings were searched
	Known []string
}

func (e *UnknownStackError) Error() string {
	where := "in " + e.Dir
	if e.Dir == "" {
		where = "built in"
	}
	if len(e.Known) == 0 {
		return fmt.Sprintf("stack %s has no settings: no Pulumi.*.yaml %s", e.Stack, where)
	}
	return fmt.Sprintf("stack %s has no settings %s; there are: %s (--stack)", e.Stack, where, strings.Join(e.Known, ", "))
}

// stackSettings reads the tracked settings of the lab's stack. It never writes
// there: Pulumi would leave an encryption salt behind.
func (l *Lab) stackSettings() (*workspace.ProjectStack, error) {
	name := "Pulumi." + l.o.Stack + ".yaml"
	var data []byte
	var err error
	if l.o.ProjectDir == "" {
		data, err = fs.ReadFile(builtin, "settings/"+name)
	} else {
		data, err = os.ReadFile(filepath.Join(l.o.ProjectDir, name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &UnknownStackError{Stack: l.o.Stack, Dir: l.o.ProjectDir, Known: Stacks(l.o.ProjectDir)}
	}
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", l.o.Stack, err)
	}
	return parseSettings(name, data)
}

func parseSettings(name string, data []byte) (*workspace.ProjectStack, error) {
	// Loading from a file is the one entry that needs no marshaller of its own.
	dir, err := os.MkdirTemp("", "meshwright-settings-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	s, err := workspace.LoadProjectStack(nil, &workspace.Project{Name: projectName}, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// settings returns the tracked settings with the operation's overrides.
func (l *Lab) settings(artifacts string) (*workspace.ProjectStack, error) {
	s, err := l.stackSettings()
	if err != nil {
		return nil, err
	}
	if s.Config.HasSecureValue() {
		return nil, fmt.Errorf("Pulumi.%s.yaml holds encrypted settings, which belong to another passphrase; give them with --config instead", l.o.Stack)
	}
	// Salt and key would belong to another backend's secrets.
	s.SecretsProvider, s.EncryptedKey, s.EncryptionSalt = "", "", ""
	if s.Config == nil {
		s.Config = config.Map{}
	}
	if err := setConfig(s.Config, "artifacts", artifacts); err != nil {
		return nil, err
	}
	for k, v := range l.o.Config {
		if err := setConfig(s.Config, k, v); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// setConfig sets one key, which may be a path: clusters[0].workers.
func setConfig(m config.Map, key, value string) error {
	full := key
	if head, _, _ := strings.Cut(key, "["); !strings.Contains(head, ":") {
		full = projectName + ":" + key
	}
	k, err := config.ParseKey(full)
	if err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	if err := m.Set(k, config.NewValue(value), strings.ContainsAny(k.Name(), ".[")); err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	return nil
}

// writeWorkspace writes the project and the stack's settings into the private
// workspace, where the engine may change them.
func (l *Lab) writeWorkspace(settings *workspace.ProjectStack) error {
	dir := l.Workspace()
	if err := saveProject(dir, l.o.Name, settings); err != nil {
		return fmt.Errorf("workspace of lab %s: %w", l.o.Name, err)
	}
	if l.o.Executable == "" {
		return nil
	}
	link := filepath.Join(dir, ProgramName)
	if to, err := os.Readlink(link); err == nil && to == l.o.Executable {
		return nil
	}
	if err := errors.Join(removeIfThere(link), os.Symlink(l.o.Executable, link)); err != nil {
		return fmt.Errorf("workspace of lab %s: %w", l.o.Name, err)
	}
	return nil
}

// ProgramName is the name under which the meshwright executable is the Pulumi
// program itself, as the plain `pulumi` command line starts it.
const ProgramName = "meshwright-program"

func removeIfThere(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// saveProject writes project and settings into dir. The salt that the engine put
// into an earlier copy is kept: the state's secrets hang on it.
func saveProject(dir, stack string, settings *workspace.ProjectStack) error {
	project := &workspace.Project{
		Name: projectName,
		// The engine runs the program inside this process. For the plain
		// command line the executable serves as the program under this name.
		Runtime: workspace.NewProjectRuntimeInfo("go", map[string]any{"binary": filepath.Join(dir, ProgramName)}),
	}
	if err := project.Save(filepath.Join(dir, "Pulumi.yaml")); err != nil {
		return err
	}
	path := filepath.Join(dir, "Pulumi."+stack+".yaml")
	if old, err := workspace.LoadProjectStack(nil, project, path); err == nil {
		settings.EncryptionSalt = old.EncryptionSalt
		settings.SecretsProvider = old.SecretsProvider
	}
	return settings.Save(path)
}
