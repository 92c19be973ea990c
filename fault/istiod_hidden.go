package fault

import "github.com/meshwright/meshwright/mesh"

// istiodHidden closes the ports by which a primary serves its remotes.
var istiodHidden = Fault{
	Name:  "istiod-hidden",
	Title: "the Gateway object that exposes a primary's istiod to its remotes is deleted",
	Needs: []Need{RemoteCluster},
	at:    (*Subject).primaryOfRemote,
	steps: deletedGateway(func(port int64, _ string) bool { return port == mesh.IstiodXDSPort }),
}
