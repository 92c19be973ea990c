package docker

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/report"
)

// Remedy is the one thing to do about an error of Find. Its operation is the machine's
// set-up where that can bring a daemon.
func Remedy(err error) report.Remedy {
	return Machine{Root: "/", UID: os.Getuid(), OS: runtime.GOOS}.Remedy(err)
}

// Machine is what a remedy depends on.
type Machine struct {
	Root string // "/" but in tests
	UID  int
	OS   string // as runtime.GOOS
}

// Remedy is that for this machine.
func (m Machine) Remedy(err error) report.Remedy {
	var chosen *chosenError
	ours := errors.As(err, &chosen) && chosen.host == "unix://"+paths.DockerSocket
	switch {
	case errors.Is(err, ErrRemote):
		return report.Remedy{Text: "to use a daemon of this machine", Command: "unset DOCKER_HOST DOCKER_CONTEXT; docker context use default"}
	case denied(err):
		return report.Remedy{Text: "to let this user use Docker, from the next login on", Command: "sudo usermod -aG docker $USER"}
	case m.OS == "darwin":
		return report.Remedy{Text: "to start Docker", Command: "open -a Docker"}
	case chosen != nil && !ours:
		return report.Remedy{Text: "start that daemon, or choose another than " + chosen.by}
	case m.unit("docker.service"):
		return report.Remedy{Text: "to start Docker", Command: "sudo systemctl start docker"}
	case m.OS != "linux" || !m.has("etc/debian_version"):
		return report.Remedy{Text: "install Docker and start it; set-up does both on Debian and Ubuntu only"}
	case m.UID != 0:
		return report.Remedy{Text: "to install Docker and use it from the next login on", Command: "sudo apt-get install -y docker.io && sudo usermod -aG docker $USER"}
	}
	return report.Remedy{Text: "set Docker up, or start the one that was set up", Operation: report.OperationSetup}
}

// unit reports whether systemd runs here and knows a unit of that name.
func (m Machine) unit(name string) bool {
	return m.has("run/systemd/system") &&
		(m.has("etc/systemd/system/"+name) || m.has("usr/lib/systemd/system/"+name) || m.has("lib/systemd/system/"+name))
}

func (m Machine) has(path string) bool {
	_, err := os.Stat(filepath.Join(m.Root, path))
	return err == nil
}
