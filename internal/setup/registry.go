package setup

import (
	"context"
	"errors"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/published"
)

// probeTimeout bounds the question whether the registries answer. Istio's chart index
// has some megabytes.
const probeTimeout = 20 * time.Second

// RegistriesAnswer returns nil when every registry and chart repository has what an up
// with official artifacts takes from it, and otherwise which one has not and why. Of
// each registry it asks for one image.
func RegistriesAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	sample, err := published.Sample(artifacts.Registry())
	if err != nil {
		return err
	}
	for _, item := range published.Check(ctx, sample, nil) {
		if item.Problem != "" {
			return errors.New(item.Problem)
		}
	}
	return nil
}
