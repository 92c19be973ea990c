package kind

import (
	"context"
	"errors"
	"fmt"

	"github.com/meshwright/meshwright/internal/docker"
)

// ClusterGone reports whether the cluster with that clusterID is gone: the container of
// its control plane, whose ID that is, does not exist. A daemon that does not answer is
// an error.
func ClusterGone(ctx context.Context, clusterID string) (bool, error) {
	d, err := docker.Find(ctx)
	if err != nil {
		return false, err
	}
	_, err = d.Container(ctx, clusterID)
	if errors.Is(err, docker.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the control plane: %w", err)
	}
	return false, nil
}
