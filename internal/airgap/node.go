package airgap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/meshwright/meshwright/internal/docker"
)

// nodeImage makes a kind node image in the Docker daemon and records it in
// image.json. It is the counterpart of `kind build node-image`.
type nodeImage struct {
	// Repository and Tag name the image; "-" and the start of the step's key follow.
	Repository, Tag string
	// Rootfs is the step whose rootfs.tar the node runs.
	Rootfs string
	// Trees are steps whose "root" directory is laid over the root file system, in order.
	Trees []string `json:",omitempty"`
	// Binaries maps paths in the node to a step and a file of its result, "step:file".
	Binaries map[string]string `json:",omitempty"`
	// Script is run in the node, below airgap/images; it sees Variables.
	Script    string
	Variables map[string]string `json:",omitempty"`
	// Archives are steps whose images.tar goes into the node's image store.
	Archives []string
}

// madeImage is image.json.
type madeImage struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	Size int64  `json:"size"` // bytes, as the daemon counts them
}

const imageFileName = "image.json"

func (n nodeImage) Inputs() any {
	files := map[string]string{}
	for name, data := range embedded("images/node") {
		files[name] = digest(data)
	}
	return struct {
		nodeImage
		Scripts string
		Files   map[string]string
	}{n, scriptDigest(n.Script) + scriptDigest("containerd-start.sh") + scriptDigest("store.sh"), files}
}

func (n nodeImage) Run(ctx context.Context, r *Run) error {
	// Privileged, for the mounts of unpacking, on a volume that is no part of the
	// image. The stop signal is systemd's; commit takes it over and cannot set it.
	c, err := startContainer(ctx, r, r.Result(n.Rootfs, "rootfs.tar"),
		"--privileged", "--mount", "type=volume,destination=/kit", "--stop-signal", "SIGRTMIN+3")
	if err != nil {
		return err
	}
	defer c.remove(ctx)
	r.Update("files")
	if err := n.lay(ctx, c, r); err != nil {
		return err
	}
	if err := c.script(ctx, n.Script, n.Variables); err != nil {
		return err
	}
	r.Update("images")
	if err := n.load(ctx, c, r); err != nil {
		return err
	}
	r.Update("commit")
	name := fmt.Sprintf("%s:%s-%s", n.Repository, n.Tag, shortKey(r.Key))
	id, err := c.commit(ctx, name,
		"LABEL "+kitLabel+"=node "+cacheLabel+"=",
		`ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`,
		"CMD []",
		"ENV container=docker",
	)
	if err != nil {
		return err
	}
	made, err := c.docker.Image(ctx, name)
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(r.Dir, imageFileName), madeImage{Name: name, ID: id, Size: made.Size})
}

// Check reports that the daemon no longer has the image.
func (n nodeImage) Check(dir string) error {
	var m madeImage
	if err := readJSON(filepath.Join(dir, imageFileName), &m); err != nil {
		return err
	}
	client, err := docker.Find(context.Background())
	if err != nil {
		return err
	}
	_, err = client.Image(context.Background(), m.Name)
	return err
}

// lay copies trees, embedded files and executables into the node.
func (n nodeImage) lay(ctx context.Context, c *container, r *Run) error {
	for _, step := range n.Trees {
		if err := c.put(ctx, r.Result(step, "root")+"/.", "/"); err != nil {
			return err
		}
	}
	own := filepath.Join(r.Temp, "own")
	err := writeFiles(own, embedded("images/node"), func(path string) os.FileMode {
		if strings.Contains(path, "bin/") {
			return 0o755
		}
		return 0o644
	})
	if err != nil {
		return err
	}
	if err := c.put(ctx, own+"/.", "/"); err != nil {
		return err
	}
	for _, to := range sortedKeys(n.Binaries) {
		step, file, _ := strings.Cut(n.Binaries[to], ":")
		if err := c.put(ctx, r.Result(step, file), to); err != nil {
			return err
		}
	}
	return nil
}

// load unpacks archives into the store of the node's containerd.
func (n nodeImage) load(ctx context.Context, c *container, r *Run) error {
	if err := c.script(ctx, "containerd-start.sh", nil); err != nil {
		return err
	}
	for _, step := range n.Archives {
		if err := importArchive(ctx, c, r, r.Result(step, archiveFile)); err != nil {
			return err
		}
	}
	return c.script(ctx, "store.sh", n.Variables)
}

func importArchive(ctx context.Context, c *container, r *Run, archive string) error {
	f, err := os.Open(archive) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	defer f.Close()
	return c.docker.Exec(ctx, c.id, docker.ExecOptions{Stdin: f, Stdout: r.Log, Stderr: r.Log},
		"ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--digests", "-")
}
