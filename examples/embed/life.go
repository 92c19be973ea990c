package shop

import (
	"context"
	"errors"
	"time"

	"github.com/meshwright/meshwright/automation"
)

// WithMesh is a lab's whole life without a test around it: it brings the lab up,
// hands it to use, and takes it away again, whatever came of it.
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

// takeAway destroys the lab, if there is one, also when ctx has ended. After a
// cancellation the providers still undo what was half made: until then the lab is
// locked.
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
