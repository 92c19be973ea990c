package kind

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Labels of a lab's network that name the Pulumi state which made it. One that an
// earlier version made has none.
const (
	backendLabel = "dev.meshwright.backend"
	stackLabel   = "dev.meshwright.stack"
	projectLabel = "dev.meshwright.project"
)

// State is where a program's resources are kept: a stack in a Pulumi backend.
type State struct {
	Backend string // its URL, without credentials and parameters; "" when it is not known
	Stack   string // PROJECT/STACK
	// Project is the directory in which the pulumi command works on the state. It
	// tells no states apart: two checkouts may share one.
	Project string
}

// NewState names a state. A file backend's path may be relative to the project's
// directory.
func NewState(backend, projectDir, project, stack string) State {
	return State{Backend: address(backend, projectDir), Stack: project + "/" + stack, Project: projectDir}
}

// address is a backend's URL in one spelling. All who may use Docker can read it
// there, so that it must hold no credentials.
func address(backend, dir string) string {
	backend, _, _ = strings.Cut(backend, "?")
	if file, ok := strings.CutPrefix(backend, "file://"); ok {
		if rest, ok := strings.CutPrefix(file, "~"); ok {
			home, _ := os.UserHomeDir()
			file = home + rest
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return "file://" + filepath.Clean(file)
	}
	u, err := url.Parse(backend)
	if err != nil {
		return ""
	}
	u.User = nil
	return strings.TrimSuffix(u.String(), "/")
}

// state is the one in which the engine keeps a resource.
func (t *twin) state(urn resource.URN) State {
	backend, dir := t.options.Backend, t.options.ProjectDir
	if backend == "" {
		backend, dir = engines()
	}
	return NewState(backend, dir, string(urn.Project()), string(urn.Stack()))
}

// engines is the backend of the engine that started this process as a plugin, found
// as the pulumi command finds it, and the project's directory.
func engines() (backend, dir string) {
	project, file, err := workspace.DetectProjectAndPath()
	if err == nil {
		dir = filepath.Dir(file)
	}
	if backend = os.Getenv("PULUMI_BACKEND_URL"); backend != "" {
		return backend, dir
	}
	if err == nil && project.Backend != nil && project.Backend.URL != "" {
		return project.Backend.URL, dir
	}
	login, _ := workspace.GetStoredCredentials() // unreadable: unknown
	return login.Current, dir
}

// sign adds the state to a network's labels.
func (s State) sign(labels map[string]string) map[string]string {
	if s.Backend != "" {
		maps.Copy(labels, map[string]string{backendLabel: s.Backend, stackLabel: s.Stack, projectLabel: s.Project})
	}
	return labels
}

// Refuse returns a *HeldError when the labels are of a network that another state
// made. One that bears no state's name is anybody's.
func (s State) Refuse(lab string, labels map[string]string) error {
	by := State{Backend: labels[backendLabel], Stack: labels[stackLabel], Project: labels[projectLabel]}
	if by.Backend == "" || by.Backend == s.Backend && by.Stack == s.Stack {
		return nil
	}
	return &HeldError{Lab: lab, By: by}
}

// HeldError says that a lab is another Pulumi state's. With two states each would
// take what the other made for leftovers, and remove it.
type HeldError struct {
	Lab string
	By  State
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("the lab %s is in another Pulumi state, the stack %s in %s; it was left as it is. Go on with that state, or take the lab down there: %s (should that state be lost: meshwright destroy --force --name %s)",
		e.Lab, e.By.Stack, e.By.Backend, e.down(), e.Lab)
}

// down is the command that removes the lab together with its state.
func (e *HeldError) down() string {
	labDir := filepath.Dir(e.By.Project)
	if strings.HasSuffix(e.By.Project, filepath.Join("/labs", e.Lab, "workspace")) { // the driver's
		command := "meshwright destroy --name " + e.Lab
		if e.By.Backend != "file://"+filepath.Join(labDir, "backend") {
			command += " --backend " + shellescape.Quote(e.By.Backend)
		}
		return command
	}
	return fmt.Sprintf("cd %s && PULUMI_BACKEND_URL=%s pulumi destroy --stack %s",
		shellescape.Quote(e.By.Project), shellescape.Quote(e.By.Backend), path.Base(e.By.Stack))
}
