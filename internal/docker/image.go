package docker

import (
	"context"
	"fmt"
	"time"
)

// Image is an image in the daemon's store.
type Image struct {
	ID           string   `json:"Id"` // "sha256:..."
	RepoTags     []string // "meshwright/node:v1.35.4-0123456789ab"
	RepoDigests  []string
	Created      time.Time
	Size         int64 // bytes
	Architecture string
	Config       struct{ Labels map[string]string }
}

// Image describes an image by reference or ID, or fails with ErrNotFound.
func (c *Client) Image(ctx context.Context, ref string) (*Image, error) {
	var found []Image
	if err := c.query(ctx, &found, "image", "inspect", ref); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("image %s: expected one, found %d", ref, len(found))
	}
	return &found[0], nil
}

// Images lists the images that carry every label; an empty value matches any.
func (c *Client) Images(ctx context.Context, labels map[string]string) ([]Image, error) {
	args := append([]string{"image", "ls", "--no-trunc", "--quiet"}, labelFilters(labels)...)
	ids, err := c.lines(ctx, args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return queryMany[Image](ctx, c, []string{"image", "inspect"}, unique(ids))
}

// RemoveImage removes an image by reference or ID; one that is gone already is
// no error. While a container uses it, it is ErrConflict.
func (c *Client) RemoveImage(ctx context.Context, ref string) error {
	return absentIsFine(c.do(ctx, "image", "rm", ref))
}

// Volumes lists the names of the volumes that carry every label, anonymous ones
// included.
func (c *Client) Volumes(ctx context.Context, labels map[string]string) ([]string, error) {
	return c.lines(ctx, append([]string{"volume", "ls", "--quiet"}, labelFilters(labels)...)...)
}

// unique drops repeated values: an image with two tags is listed twice.
func unique(ids []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	return kept
}
