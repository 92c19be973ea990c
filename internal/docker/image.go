package docker

import (
	"context"
	"time"
)

// Image is an image in the daemon's store.
type Image struct {
	ID       string   `json:"Id"` // "sha256:..."
	RepoTags []string // "meshwright/node:v1.35.4-0123456789ab"
	Created  time.Time
	Size     int64 // bytes
	Config   struct{ Labels map[string]string }
}

// Image describes an image by reference or ID, or fails with ErrNotFound.
func (c *Client) Image(ctx context.Context, ref string) (*Image, error) {
	return inspect[Image](ctx, c, "image", ref)
}

// Images lists the images that carry every label; an empty value matches any.
func (c *Client) Images(ctx context.Context, labels map[string]string) ([]Image, error) {
	return list[Image](ctx, c, "image", labelFilters(labels)...)
}

// RemoveImage removes an image by reference or ID. It succeeds when there is none, and
// fails with ErrConflict while a container uses it.
func (c *Client) RemoveImage(ctx context.Context, ref string) error {
	return absentIsFine(c.do(ctx, "image", "rm", ref))
}
