package docker

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/meshwright/meshwright/internal/paths"
)

// Find returns a client of the daemon to use: the one at DOCKER_HOST if that is
// set; else the docker command's own choice (its current context, usually
// /var/run/docker.sock) if it answers; else the one that `meshwright setup`
// started. It fails with ErrUnreachable or ErrNoCommand and says what to run.
func Find(ctx context.Context) (*Client, error) {
	return find(ctx, os.Getenv(hostVariable), paths.DockerSocket, func(ctx context.Context, c *Client) error {
		_, err := c.Ping(ctx)
		return err
	})
}

// find takes the environment and the probe as arguments, for tests.
func find(ctx context.Context, host, socket string, ping func(context.Context, *Client) error) (*Client, error) {
	if host != "" {
		client := New(host)
		if err := ping(ctx, client); err != nil {
			return nil, fmt.Errorf("DOCKER_HOST is %s: %w\nstart that daemon, or unset DOCKER_HOST and run: meshwright setup", host, err)
		}
		return client, nil
	}
	candidates := []*Client{New("")}
	// An absent socket needs no probe. Users who may not read the directory see none
	// either: only root may use that daemon.
	if info, err := os.Stat(socket); err == nil && info.Mode()&os.ModeSocket != 0 {
		candidates = append(candidates, New("unix://"+socket))
	}
	var errs []error
	for _, client := range candidates {
		err := ping(ctx, client)
		if err == nil {
			return client, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%w\nstart Docker, or run: meshwright setup", errors.Join(errs...))
}
