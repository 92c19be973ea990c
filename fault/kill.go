package fault

// kill deletes a region's servers without notice. Their deployment recreates them.
var kill = Fault{
	Name:        "kill",
	Title:       "a region's servers are killed without notice",
	Needs:       drain.Needs,
	OnWorkload:  true,
	SelfHealing: true,
	at:          drain.at,
	steps:       remembering[servers]{Was: serversOf, Inject: deleteServers(new(int64(0))), Restore: awaitServers},
}
