package drill

import (
	"time"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/load"
)

// Drain is the drill of a region that fails.
var Drain = Drill{
	Name:     "drain",
	Question: "How long does the traffic of a failed region take to move to another one and back, and what is lost?",
	Needs:    []fault.Need{fault.Workload, fault.Regions},
	Faults:   []string{"drain", "graceful", "kill"},
	Phases:   Phases{Steady: 0.2, Fault: 0.4, Recovery: 0.4},
	Load:     Load{Via: []string{load.ViaMesh, load.ViaIngress}, Rate: 100, Duration: 48 * time.Second},
}
