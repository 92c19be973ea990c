package docker

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// ErrNotFound means that the named container, network, image or volume does
	// not exist.
	ErrNotFound = errors.New("not found in Docker")
	// ErrNoFile means that the container has no file of that path.
	ErrNoFile = errors.New("no such file in the container")
	// ErrConflict means that the name or the address range is taken, or that the
	// object is in use.
	ErrConflict = errors.New("conflict in Docker")
	// ErrUnreachable means that no daemon answered.
	ErrUnreachable = errors.New("no Docker daemon answers")
	// ErrRemote means that the daemon is on another machine.
	ErrRemote = errors.New("the Docker daemon is on another machine")
	// ErrNoCommand means that there is no docker command on PATH.
	ErrNoCommand = errors.New("no docker command on PATH")
)

// CommandError is a docker command that failed.
type CommandError struct {
	Args   []string // without "docker"
	Stderr string   // the end of it, trimmed; at most 4 KiB
	Err    error    // *exec.ExitError, or the context's error
}

func (e *CommandError) Error() string {
	text := fmt.Sprintf("docker %s: %v", abridge(e.Args), e.Err)
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	return text
}

func (e *CommandError) Unwrap() error { return e.Err }

var (
	notFound    = regexp.MustCompile(`(?i)no such (container|network|object|image|volume)|(network|volume|container) \S+ not found`)
	noFile      = regexp.MustCompile(`(?i)no such container:path|could not find the file`)
	conflict    = regexp.MustCompile(`(?i)already (exists|in use)|pool overlaps|has active endpoints|conflict: unable to|\bis in use\b`)
	unreachable = regexp.MustCompile(`(?i)cannot connect to the docker daemon|permission denied while trying to connect|error during connect`)
)

// Is recognises the daemon's refusals by their text: the command line has no codes.
func (e *CommandError) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return notFound.MatchString(e.Stderr) && !noFile.MatchString(e.Stderr)
	case ErrNoFile:
		return noFile.MatchString(e.Stderr)
	case ErrConflict:
		return conflict.MatchString(e.Stderr)
	case ErrUnreachable:
		return unreachable.MatchString(e.Stderr)
	}
	return false
}

// abridge joins arguments for a message, and cuts what is too long to read.
func abridge(args []string) string {
	const limit = 200
	text := strings.Join(args, " ")
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return text
}
