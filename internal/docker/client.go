package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/process"
)

// hostVariable is the setting by which every Docker client finds its daemon.
const hostVariable = "DOCKER_HOST"

// Client sends requests to one daemon; see Find. It is safe for concurrent use.
type Client struct {
	host string
}

// New returns a client of the daemon at host, for example
// "unix:///run/meshwright/docker.sock".
func New(host string) *Client { return &Client{host: host} }

// Host returns the daemon's address as given to New.
func (c *Client) Host() string { return c.host }

// Env returns the settings that make a child process use the same daemon, as
// "KEY=value". DOCKER_HOST goes before DOCKER_CONTEXT.
func (c *Client) Env() []string { return []string{hostVariable + "=" + c.host} }

// Command prepares `docker args...` against this daemon, for requests that this
// package has no method for. It runs in a process group of its own: a Ctrl-C at the
// terminal does not reach it, and the end of ctx asks it to stop.
func (c *Client) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	if c.host != "" {
		// The docker command refuses a context beside a host.
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "DOCKER_CONTEXT=") }), c.Env()...)
	}
	cmd.SysProcAttr = process.Group(syscall.SIGKILL)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Run runs `docker args...` and returns its stdout.
func (c *Client) Run(ctx context.Context, args ...string) ([]byte, error) {
	var stdout bytes.Buffer
	err := c.stream(ctx, nil, &stdout, nil, args...)
	return stdout.Bytes(), err
}

// stream runs `docker args...` on the given streams. A copy of stderr's end goes
// into the error.
func (c *Client) stream(ctx context.Context, in io.Reader, out, errw io.Writer, args ...string) error {
	cmd := c.Command(ctx, args...)
	tail := &tailBuffer{limit: 4 << 10}
	cmd.Stdin, cmd.Stdout = in, out
	cmd.Stderr = tail
	if errw != nil {
		cmd.Stderr = io.MultiWriter(errw, tail)
	}
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &CommandError{Args: args, Stderr: strings.TrimSpace(tail.String()), Err: err}
}

// query runs a command whose stdout is JSON and decodes it into v.
func (c *Client) query(ctx context.Context, v any, args ...string) error {
	out, err := c.Run(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("docker %s: decoding its answer: %w", strings.Join(args, " "), err)
	}
	return nil
}

// do runs a command for its effect alone.
func (c *Client) do(ctx context.Context, args ...string) error {
	_, err := c.Run(ctx, args...)
	return err
}

// inspect describes the object of a kind by name or ID, or fails with ErrNotFound.
func inspect[T any](ctx context.Context, c *Client, kind, name string) (*T, error) {
	var found []T
	if err := c.query(ctx, &found, kind, "inspect", name); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s %s: expected one, found %d", kind, name, len(found))
	}
	return &found[0], nil
}

// list describes the objects of a kind that `docker KIND ls` lists with the options.
// Those that disappear meanwhile are left out.
func list[T any](ctx context.Context, c *Client, kind string, options ...string) ([]T, error) {
	ids, err := c.lines(ctx, append([]string{kind, "ls", "--no-trunc", "--format", "{{.ID}}"}, options...)...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	ids = slices.Compact(ids) // an image with two tags has two lines
	out, err := c.Run(ctx, append([]string{kind, "inspect"}, ids...)...)
	// With some absent, the command prints the rest and fails.
	if err := absentIsFine(err); err != nil {
		return nil, err
	}
	var found []T
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("docker %s inspect: decoding its answer: %w", kind, err)
	}
	return found, nil
}

// lines runs a command and returns the non-empty lines of its stdout.
func (c *Client) lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := c.Run(ctx, args...)
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(out)), nil
}

// Version describes a daemon.
type Version struct {
	Engine string // "20.10.24+dfsg1"
	API    string // "1.41"
	OS     string // "linux"
	Arch   string // "amd64"
}

// Ping asks the daemon for its version. It fails with ErrUnreachable when no
// daemon answers, and with ErrNoCommand when there is no docker command.
func (c *Client) Ping(ctx context.Context) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	const format = `{"Engine":{{json .Server.Version}},"API":{{json .Server.APIVersion}},` +
		`"OS":{{json .Server.Os}},"Arch":{{json .Server.Arch}}}`
	var v Version
	err := c.query(ctx, &v, "version", "--format", format)
	if errors.Is(err, exec.ErrNotFound) {
		return Version{}, ErrNoCommand
	}
	var failed *CommandError
	if errors.As(err, &failed) && failed.Stderr != "" {
		return Version{}, fmt.Errorf("%w: %s", ErrUnreachable, failed.Stderr)
	}
	if err != nil {
		return Version{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return v, nil
}

// Daemon tells a daemon, with its data, from every other.
type Daemon struct {
	// ID is the daemon's own. Before Engine 23 all daemons of a machine share it.
	ID string `json:"id"`
	// Root is the directory of images and containers, as the daemon sees it: it may run
	// in a virtual machine.
	Root string `json:"root"`
	// Host is where it was reached. It may be reached elsewhere, too.
	Host string `json:"host"`
}

// Same reports whether both are one daemon.
func (d Daemon) Same(o Daemon) bool { return d.ID == o.ID && d.Root == o.Root }

func (d Daemon) String() string { return fmt.Sprintf("%s (data in %s)", d.Host, d.Root) }

// Daemon asks the daemon who it is.
func (c *Client) Daemon(ctx context.Context) (Daemon, error) {
	d := Daemon{Host: c.host}
	if err := c.query(ctx, &d, "info", "--format", `{"id":{{json .ID}},"root":{{json .DockerRootDir}}}`); err != nil {
		return Daemon{}, err
	}
	if d.ID == "" || d.Root == "" {
		return Daemon{}, fmt.Errorf("%w: %s does not say who it is", ErrUnreachable, c.host)
	}
	return d, nil
}

// pingTimeout bounds the wait for a daemon that accepts a connection but does
// not answer, as one does while it starts or hangs.
const pingTimeout = 15 * time.Second

// tailBuffer keeps the last limit bytes written to it.
type tailBuffer struct {
	limit int
	buf   []byte
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	if over := len(b.buf) - b.limit; over > 0 {
		b.buf = append(b.buf[:0], b.buf[over:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) String() string { return string(b.buf) }
