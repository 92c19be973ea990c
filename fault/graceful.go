package fault

// graceful makes the sidecars of a region's servers discourage connections, then stop
// listening.
var graceful = Fault{
	Name:       "graceful",
	Title:      "the sidecars of a region's servers drain, then stop listening",
	Needs:      drain.Needs,
	OnWorkload: true,
	at:         drain.at,
	steps:      drained("drain_listeners?graceful"),
}
