package airgap

import (
	"context"
	"fmt"
	"io"
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
// that waits, on the host's network so that it reaches what the host reaches. The
// caller calls remove.
func startContainer(ctx context.Context, r *Run, rootfs string, runArgs ...string) (*container, error) {
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, err
	}
	c := &container{docker: client, log: r.Log}
	if c.image, err = c.output(ctx, "import", "--change", "LABEL "+kitLabel+"=build", rootfs); err != nil {
		return nil, fmt.Errorf("import %s: %w", rootfs, err)
	}
	args := append([]string{"run", "--detach", "--label", kitLabel + "=build", "--label", cacheLabel + "=" + cacheName(r.Cache), "--network", "host", "--init=false"}, runArgs...)
	if c.id, err = c.output(ctx, append(args, c.image, "sleep", "infinity")...); err != nil {
		c.remove(ctx)
		return nil, fmt.Errorf("start a build container: %w", err)
	}
	return c, nil
}

// output runs a docker command and returns what it prints.
func (c *container) output(ctx context.Context, args ...string) (string, error) {
	fmt.Fprintln(c.log, "+ docker", strings.Join(args, " "))
	out, err := c.docker.Run(ctx, args...)
	return strings.TrimSpace(string(out)), err
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

// put copies a host file or directory into the container.
func (c *container) put(ctx context.Context, hostPath, to string) error {
	_, err := c.output(ctx, "cp", hostPath, c.id+":"+to)
	return err
}

// commit makes an image of the container under a name and returns its ID.
func (c *container) commit(ctx context.Context, name string, changes ...string) (string, error) {
	args := []string{"commit"}
	for _, ch := range changes {
		args = append(args, "--change", ch)
	}
	return c.output(ctx, append(args, c.id, name)...)
}

// remove removes the container and its image, also after a cancellation.
func (c *container) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if c.id != "" {
		if err := c.docker.Remove(ctx, c.id); err != nil {
			fmt.Fprintln(c.log, "remove the build container:", err)
		}
	}
	if c.image != "" {
		// An image that was committed from it keeps the layers; the tag-less parent may then stay.
		if err := c.docker.RemoveImage(ctx, c.image); err != nil {
			fmt.Fprintln(c.log, "remove the build image:", err)
		}
	}
}
