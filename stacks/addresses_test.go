package stacks

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/stacks/plan"
)

// TestTheOthersStayAsTheyAre: a cluster that is removed, or put in front, changes no
// input of what is in the others, and none of their Docker network.
func TestTheOthersStayAsTheyAre(t *testing.T) {
	settings := stackConfig(t, "three-region")
	var all []plan.ClusterConfig
	if err := json.Unmarshal([]byte(settings["meshwright:clusters"]), &all); err != nil {
		t.Fatal(err)
	}
	run := func(clusters []plan.ClusterConfig) map[string]registered {
		text, err := json.Marshal(clusters)
		if err != nil {
			t.Fatal(err)
		}
		settings["meshwright:clusters"] = string(text)
		found := map[string]registered{}
		held := &recorder{held: map[string]int{"cluster1": 0, "cluster2": 1, "cluster3": 2}}
		for _, s := range record(t, held, ProgramWith(testArtifacts()), settings).seen {
			found[s.Name+" "+s.Type] = s
		}
		return found
	}
	added := all[1]
	added.Name, added.Network, added.Region = "added", "added", "added"
	before := run(all)
	for name, clusters := range map[string][]plan.ClusterConfig{
		"the second is removed": {all[0], all[2]},
		"the first is removed":  {all[1], all[2]},
		"one is put in front":   slices.Concat([]plan.ClusterConfig{added}, all),
		"another order":         {all[2], all[0], all[1]},
		"one replaces another":  {all[0], added, all[2]},
	} {
		t.Run(name, func(t *testing.T) {
			kept := 0
			for key, s := range run(clusters) {
				owner, _, _ := strings.Cut(s.Name, "-")
				if owner == "added" || strings.Contains(s.Name, "added") || s.Name == "addresses" {
					continue
				}
				kept++
				if diff := cmp.Diff(before[key], s); diff != "" {
					t.Errorf("%s: %s", s.Name, diff)
				}
			}
			if kept < 60 {
				t.Errorf("only %d resources were compared", kept)
			}
		})
	}
}

// noSlots is an engine whose provider does not say which slots the clusters have.
type noSlots struct{ recorder }

func (n *noSlots) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	id, state, err := n.recorder.NewResource(args)
	if args.TypeToken == "meshwright:kind:Addresses" {
		delete(state, "slots")
	}
	return id, state, err
}

// TestUnknownSlotsAreNotGuessed: without them nothing else is registered.
func TestUnknownSlotsAreNotGuessed(t *testing.T) {
	n := &noSlots{}
	config := func(info *pulumi.RunInfo) { info.Config = stackConfig(t, "dev") }
	err := pulumi.RunErr(ProgramWith(testArtifacts()), pulumi.WithMocks("meshwright", "lab", n), config)
	if err == nil || !strings.Contains(err.Error(), "slots for 0 clusters of 2") {
		t.Errorf("got %v", err)
	}
	if len(n.seen) > 3 { // the stack, the provider, the slots
		t.Errorf("registered: %v", n.seen)
	}
}
