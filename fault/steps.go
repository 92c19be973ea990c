package fault

import (
	"context"
	"encoding/json"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// steps are what a fault does to the cluster at.
type steps interface {
	remember(ctx context.Context, s *Subject, at *member, r *Record) error
	inject(ctx context.Context, s *Subject, at *member, r *Record) error
	restore(ctx context.Context, s *Subject, at *member, r *Record) error
}

// step changes a cluster; was is what the fault remembers of the time before.
type step[T any] = func(ctx context.Context, s *Subject, at *member, was T) error

// remembering are the steps of a fault that remembers a T, which must survive JSON.
type remembering[T any] struct {
	// Was reads what Inject will change, and its names.
	Was     func(ctx context.Context, s *Subject, at *member) (was T, objects []string, err error)
	Inject  step[T]
	Restore step[T] // may be called more than once
}

func (p remembering[T]) remember(ctx context.Context, s *Subject, at *member, r *Record) error {
	was, objects, err := p.Was(ctx, s, at)
	if err != nil {
		return err
	}
	r.Objects = objects
	r.Former, err = json.Marshal(was)
	return err
}

func (p remembering[T]) inject(ctx context.Context, s *Subject, at *member, r *Record) error {
	return p.do(ctx, s, at, r, p.Inject)
}

func (p remembering[T]) restore(ctx context.Context, s *Subject, at *member, r *Record) error {
	return p.do(ctx, s, at, r, p.Restore)
}

func (remembering[T]) do(ctx context.Context, s *Subject, at *member, r *Record, f step[T]) error {
	var was T
	if err := utiljson.Unmarshal(r.Former, &was); err != nil { // keeps whole numbers, as unstructured objects do
		return fmt.Errorf("record of fault %s: %w", r.Fault, err)
	}
	return f(ctx, s, at, was)
}
