package mark

import (
	"fmt"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/report"
)

// OtherDaemonError says that a lab is on another daemon than the one that is asked. What
// the lab has cannot be seen there, so that nothing of it may be changed or called gone.
type OtherDaemonError struct {
	Lab   string
	Dir   string        // the lab's directory
	Has   docker.Daemon // the lab's; zero where none is on record
	Asked docker.Daemon
}

func (e *OtherDaemonError) Error() string {
	has := "is not on this Docker daemon, and on which one is not on record"
	if e.Has.ID != "" {
		has = fmt.Sprintf("is on another Docker daemon, %s", e.Has)
	}
	return fmt.Sprintf("lab %s %s; asked was %s, and nothing was changed", e.Lab, has, e.Asked)
}

// Remedies are to ask the lab's daemon, or to give the lab up with it.
func (e *OtherDaemonError) Remedies() []report.Remedy {
	use := report.Remedy{Text: "set DOCKER_HOST to the daemon that has the lab's nodes"}
	if e.Has.ID != "" {
		use = report.Remedy{Text: "to use the lab's daemon", Command: "export DOCKER_HOST=" + e.Has.Host}
	}
	return []report.Remedy{use, {Text: "if that daemon and its data are gone for good, remove the lab's directory, " + e.Dir}}
}
