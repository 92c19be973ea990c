package airgap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/meshwright/meshwright/airgap"
	"github.com/meshwright/meshwright/internal/docker"
)

// Labels mark every container and image that the kit makes, so that they can be
// found and removed, and nothing else ever is.
const (
	// kitLabel is "node" on node images and "build" on what a build leaves only
	// when it is killed.
	kitLabel = "dev.meshwright.kit"
	// cacheLabel says which cache's build a container belongs to: several users
	// of one daemon may build at the same time.
	cacheLabel = "dev.meshwright.kit.cache"
)

// cacheName is the value of cacheLabel for a cache directory.
func cacheName(dir string) string { return digest([]byte(dir))[:12] }

// container is a running container in which a part of an image is made.
type container struct {
	docker *docker.Client
	id     string
	image  string // imported for this container alone
	log    io.Writer
}

// startContainer imports a root file system archive and starts a container of it
// that waits. On the host's network, so that it reaches what the host reaches.
// Call remove, whatever happens.
func startContainer(ctx context.Context, r *Run, rootfs string, runArgs ...string) (*container, error) {
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, err
	}
	c := &container{docker: client, log: r.Log}
	in, err := os.Open(rootfs) //nolint:gosec // our own cache
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := c.output(client.Command(ctx, "import", "--change", "LABEL "+kitLabel+"=build", "-"), in)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", rootfs, err)
	}
	c.image = strings.TrimSpace(string(out))
	args := append([]string{"run", "--detach", "--label", kitLabel + "=build", "--label", cacheLabel + "=" + cacheName(r.Cache), "--network", "host", "--init=false"}, runArgs...)
	out, err = c.output(client.Command(ctx, append(args, c.image, "sleep", "infinity")...), nil)
	if err != nil {
		c.remove(ctx)
		return nil, fmt.Errorf("start a build container: %w", err)
	}
	c.id = strings.TrimSpace(string(out))
	return c, nil
}

// output runs a docker command, its errors in the log.
func (c *container) output(cmd *exec.Cmd, in io.Reader) ([]byte, error) {
	cmd.Stdin, cmd.Stderr = in, c.log
	fmt.Fprintln(c.log, "+", strings.Join(cmd.Args, " "))
	return cmd.Output()
}

// script runs an embedded shell script of airgap/images in the container, with
// variables in its environment. Any failing command in it is an error.
func (c *container) script(ctx context.Context, name string, variables map[string]string) error {
	text, err := airgap.Files.ReadFile(path.Join("images", name))
	if err != nil {
		return err
	}
	args := []string{"exec", "--interactive"}
	for _, k := range sortedKeys(variables) {
		args = append(args, "--env", k+"="+variables[k])
	}
	cmd := c.docker.Command(ctx, append(args, c.id, "sh", "-eux")...)
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s in the build container: %w", name, err)
	}
	return nil
}

// run executes a command in the container; stdin may be nil.
func (c *container) run(ctx context.Context, stdin io.Reader, argv ...string) error {
	_, err := c.read(ctx, stdin, argv...)
	return err
}

// read executes a command in the container and returns its output.
func (c *container) read(ctx context.Context, stdin io.Reader, argv ...string) ([]byte, error) {
	args := []string{"exec"}
	if stdin != nil {
		args = append(args, "--interactive")
	}
	out, err := c.output(c.docker.Command(ctx, append(append(args, c.id), argv...)...), stdin)
	if err != nil {
		return out, fmt.Errorf("%s in the build container: %w", strings.Join(argv, " "), err)
	}
	return out, nil
}

// put copies a host file or directory into the container.
func (c *container) put(ctx context.Context, hostPath, to string) error {
	_, err := c.output(c.docker.Command(ctx, "cp", hostPath, c.id+":"+to), nil)
	if err != nil {
		return fmt.Errorf("copy %s to %s in the build container: %w", hostPath, to, err)
	}
	return nil
}

// export writes the container's file system as a tar archive.
func (c *container) export(ctx context.Context, to string) (err error) {
	out, err := os.Create(to) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	cmd := c.docker.Command(ctx, "export", c.id)
	cmd.Stdout, cmd.Stderr = out, c.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("export the build container: %w", err)
	}
	return nil
}

// commit makes an image of the container under a name and returns its ID.
func (c *container) commit(ctx context.Context, name string, changes ...string) (string, error) {
	args := []string{"commit"}
	for _, ch := range changes {
		args = append(args, "--change", ch)
	}
	out, err := c.output(c.docker.Command(ctx, append(args, c.id, name)...), nil)
	if err != nil {
		return "", fmt.Errorf("commit the build container as %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// remove takes the container and its image away, also after a cancellation.
func (c *container) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if c.id != "" {
		if _, err := c.output(c.docker.Command(ctx, "rm", "--force", "--volumes", c.id), nil); err != nil {
			fmt.Fprintln(c.log, "remove the build container:", err)
		}
	}
	if c.image != "" {
		// An image that was committed from it keeps the layers; the tag-less parent may then stay.
		if _, err := c.output(c.docker.Command(ctx, "image", "rm", c.image), nil); err != nil {
			fmt.Fprintln(c.log, "remove the build image:", err)
		}
	}
}
