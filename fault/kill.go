package fault

import "context"

// kill deletes a region's servers without notice. Their deployment recreates them.
var kill = Fault{
	Name:        "kill",
	Title:       "a region's servers are killed without notice",
	Needs:       drain.Needs,
	OnWorkload:  true,
	SelfHealing: true,
	at:          drain.at,
	plan:        drain.plan,
	inject: func(ctx context.Context, s *Subject, r *Record) error {
		return s.deleteServers(ctx, r, new(int64(0)))
	},
	restore: func(ctx context.Context, s *Subject, r *Record) error { return s.awaitServers(ctx, r) },
}
