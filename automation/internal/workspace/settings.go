package workspace

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/esc"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/meshwright/meshwright/report"
)

// builtin are copies of the project's own stack settings, for programs that
// import the driver and have no checkout. A test compares them.
//
//go:generate sh -c "rm -f settings/* && cp ../../../Pulumi.*.yaml settings/"
//go:embed settings
var builtin embed.FS

// Settings are a stack's, as the engine reads them.
type Settings = workspace.ProjectStack

// Stacks lists the stacks that the project in dir has settings for, sorted; none when
// the project cannot be read. With dir "" these are the ones built in.
func Stacks(dir string) []string {
	if dir == "" {
		return stacksIn(builtin, "settings")
	}
	project, err := LoadProject(dir)
	if err != nil {
		return nil
	}
	return StacksIn(SettingsDir(dir, project))
}

// StacksIn lists the stacks that have settings in a directory, sorted.
func StacksIn(dir string) []string { return stacksIn(os.DirFS(dir), ".") }

func stacksIn(files fs.FS, dir string) []string {
	var names []string
	entries, _ := fs.ReadDir(files, dir) // a directory that is not there has none
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "Pulumi.")
		if name, is := strings.CutSuffix(name, ".yaml"); ok && is && name != "" {
			names = append(names, name)
		}
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
	return fmt.Sprintf("stack %s has no settings %s; there are: %s", e.Stack, where, strings.Join(e.Known, ", "))
}

// Remedies are another choice of stack.
func (e *UnknownStackError) Remedies() []report.Remedy {
	if len(e.Known) == 0 {
		return nil
	}
	return []report.Remedy{{Text: "choose one", Option: "Stack"}}
}

// Load returns the settings of a stack of the project in dir, with what the project says
// for all of its stacks; built-in ones with dir "". It never writes there: Pulumi would leave an encryption salt behind.
func Load(dir, stack string) (*Settings, error) {
	name := "Pulumi." + stack + ".yaml"
	project, err := LoadProject(dir)
	if err != nil {
		return nil, err
	}
	var data []byte
	if dir == "" {
		data, err = fs.ReadFile(builtin, "settings/"+name)
	} else {
		data, err = os.ReadFile(filepath.Join(SettingsDir(dir, project), name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		e := &UnknownStackError{Stack: stack, Known: Stacks(dir)}
		if dir != "" {
			e.Dir = SettingsDir(dir, project)
		}
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", stack, err)
	}
	s, err := Parse(name, data)
	if err != nil {
		return nil, err
	}
	if s.Config.HasSecureValue() {
		return nil, report.WithRemedies(fmt.Errorf("%s holds encrypted settings, which belong to another passphrase", name),
			report.Remedy{Text: "give them instead with", Option: "Config"})
	}
	ForgetEncryption(s)
	if err := workspace.ApplyProjectConfig(context.Background(), stack, project, esc.Value{}, s.Config, config.NopEncrypter, config.NopDecrypter); err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", stack, err)
	}
	return s, nil
}

// Parse reads settings from the text of a file of that name.
func Parse(name string, data []byte) (*Settings, error) {
	s, err := workspace.LoadProjectStackBytes(nil, &workspace.Project{Name: Project}, data, name, encoding.YAML)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// ForgetEncryption drops salt and key, which belong to another backend's secrets.
func ForgetEncryption(s *Settings) {
	s.SecretsProvider, s.EncryptedKey, s.EncryptionSalt = "", "", ""
	if s.Config == nil {
		s.Config = config.Map{}
	}
}

// Set sets one key, which may be a path: clusters[0].workers. A key without a
// namespace belongs to Project.
func Set(m config.Map, key, value string) error {
	full := key
	if head, _, _ := strings.Cut(key, "["); !strings.Contains(head, ":") {
		full = Project + ":" + key
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
