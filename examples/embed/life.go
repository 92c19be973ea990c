package shop

import (
	"context"
	"errors"
	"time"

	"github.com/meshwright/meshwright/automation"
)

// WithMesh uses a lab outside a test: it creates the lab, calls use, and always destroys
// the lab.
func WithMesh(ctx context.Context, options automation.Options, use func(*automation.Lab, *automation.Outputs) error) error {
	lab, err := automation.New(ctx, options)
	if err != nil {
		return err
	}
	up, err := lab.Up(ctx)
	if err == nil {
		err = use(lab, up.Outputs)
	}
	return errors.Join(err, takeAway(ctx, lab))
}

// takeAway destroys the lab if it exists, even if ctx has ended. After a cancellation the
// lab is locked until the providers have removed what was partly created.
func takeAway(ctx context.Context, lab *automation.Lab) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	defer cancel()
	for {
		_, err := lab.Destroy(ctx)
		var notUp *automation.NotUpError
		var locked *automation.LockedError
		switch {
		case errors.As(err, &notUp):
			return nil
		case !errors.As(err, &locked):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}
