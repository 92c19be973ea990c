package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/report"
)

// defaultContext is the docker command's own where the user has chosen none.
const defaultContext = "default"

// Find returns a client of the daemon to use: the one at DOCKER_HOST; else that of the
// context in DOCKER_CONTEXT or in the docker command's configuration; else the first
// that answers at /var/run/docker.sock or at the socket of the one that set-up started.
// A choice of the user's is never replaced by another daemon. The client names its host,
// so that child processes and the user's shell get the same daemon by Env. Find fails
// with ErrUnreachable, ErrNoCommand or ErrRemote and a remedy.
func Find(ctx context.Context) (*Client, error) {
	client, err := find(ctx, choose, paths.DockerSocket, func(ctx context.Context, c *Client) error {
		_, err := c.Ping(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		return nil, report.WithRemedies(err, Remedy(err))
	}
	return client, err
}

// choice is what the docker command would use by itself.
type choice struct {
	Host   string
	Chosen string // by which the user chose it, "" where the user did not
}

// choose asks the docker command, which knows its configuration.
func choose(ctx context.Context) (choice, error) {
	var c struct{ Name, Host string }
	err := (&Client{}).query(ctx, &c, "context", "inspect", "--format", `{"Name":{{json .Name}},"Host":{{json .Endpoints.docker.Host}}}`)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return choice{}, ErrNoCommand
	case err != nil:
		return choice{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case os.Getenv(hostVariable) != "":
		return choice{c.Host, hostVariable}, nil
	case c.Name != defaultContext:
		return choice{c.Host, "the Docker context " + c.Name}, nil
	}
	return choice{Host: c.Host}, nil
}

// find takes the choice and the probe as arguments, for tests.
func find(ctx context.Context, choose func(context.Context) (choice, error), socket string, ping func(context.Context, *Client) error) (*Client, error) {
	first, err := choose(ctx)
	if err != nil {
		return nil, err
	}
	if !local(first.Host) {
		return nil, fmt.Errorf("%w: %s, by %s; a lab's nodes mount directories and publish ports of this one", ErrRemote, first.Host, first.Chosen)
	}
	if first.Chosen != "" {
		client := New(first.Host)
		if err := ping(ctx, client); err != nil {
			return nil, &chosenError{first.Host, first.Chosen, err}
		}
		return client, nil
	}
	candidates := []*Client{New(first.Host)}
	// An absent socket needs no probe. Users who may not read the directory see none
	// either: only root may use that daemon.
	if info, err := os.Stat(socket); err == nil && info.Mode()&os.ModeSocket != 0 {
		candidates = append(candidates, New("unix://"+socket))
	}
	var cause error
	for _, client := range candidates {
		err := ping(ctx, client)
		if err == nil {
			return client, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if cause == nil || denied(err) {
			cause = err
		}
	}
	return nil, cause
}

// local reports whether the host names a daemon of this machine.
func local(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "unix", "npipe":
		return true
	case "tcp", "http", "https":
		name := u.Hostname()
		return name == "" || name == "localhost" || net.ParseIP(name).IsLoopback()
	}
	return false
}

// chosenError says that the daemon of the user's choice does not answer.
type chosenError struct {
	host, by string
	err      error
}

func (e *chosenError) Error() string { return fmt.Sprintf("%v (chosen by %s)", e.err, e.by) }
func (e *chosenError) Unwrap() error { return e.err }

// denied reports whether a daemon is there which this user may not use.
func denied(err error) bool { return strings.Contains(err.Error(), "permission denied") }
