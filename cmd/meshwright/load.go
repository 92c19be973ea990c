package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/docker"
)

func newLoadCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "load IMAGE...",
		Short: "Load images of the local Docker into every node of a lab",
		Example: `  docker build -t me/app:1 . && meshwright load me/app:1
  kubectl --context cluster1 create deployment app --image me/app:1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("load: name at least one image, for example: meshwright load me/app:1")
			}
			return nil
		},
	}
	f := addLabFlags(cmd)
	cmd.RunE = a.onLab(f, nil, func(ctx context.Context, lab *automation.Lab, images []string) error {
		out, err := lab.Outputs(ctx)
		if err != nil {
			return err
		}
		return a.load(ctx, out, images)
	})
	return cmd
}

// load saves the images once and imports them into all nodes at the same time.
func (a *App) load(ctx context.Context, o *automation.Outputs, images []string) error {
	client, err := docker.Find(ctx)
	if err != nil {
		return err
	}
	for _, image := range images {
		if _, err := client.Image(ctx, image); errors.Is(err, docker.ErrNotFound) {
			return fmt.Errorf("image %s is not in the local Docker: docker build -t %s . or docker pull %s", image, image, image)
		} else if err != nil {
			return err
		}
	}
	archive, err := os.CreateTemp("", "meshwright-load-*.tar")
	if err != nil {
		return err
	}
	archive.Close()
	defer os.Remove(archive.Name())
	err = a.UI.Do("save "+strings.Join(images, ", "), func(func(string)) (string, error) {
		_, err := client.Run(ctx, append([]string{"image", "save", "--output", archive.Name()}, images...)...)
		return "", err
	})
	if err != nil {
		return err
	}
	var nodes []string
	for _, c := range o.Clusters {
		nodes = append(nodes, c.Nodes...)
	}
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, node := range nodes {
		wg.Go(func() {
			errs[i] = a.UI.Do("load into "+node, func(func(string)) (string, error) {
				return "", importImages(ctx, client, node, archive.Name())
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func importImages(ctx context.Context, client *docker.Client, node, archive string) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	var talk bytes.Buffer
	err = client.Exec(ctx, node, docker.ExecOptions{Stdin: in, Stdout: &talk, Stderr: &talk},
		"ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--digests", "--snapshotter=overlayfs", "-")
	if err != nil {
		return fmt.Errorf("node %s: %w: %s", node, err, strings.TrimSpace(talk.String()))
	}
	return nil
}
