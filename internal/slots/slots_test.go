package slots

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAssign(t *testing.T) {
	type held = map[string]int
	for name, test := range map[string]struct {
		held     held
		names    []string
		capacity int
		want     held
	}{
		"a new set, in its order":                  {nil, []string{"b", "a"}, 64, held{"b": 0, "a": 1}},
		"one in the middle goes":                   {held{"a": 0, "b": 1, "c": 2}, []string{"a", "c"}, 64, held{"a": 0, "c": 2}},
		"one is put in front":                      {held{"a": 0, "b": 1}, []string{"new", "a", "b"}, 64, held{"new": 2, "a": 0, "b": 1}},
		"another order":                            {held{"a": 0, "b": 1}, []string{"b", "a"}, 64, held{"a": 0, "b": 1}},
		"a released slot is used again":            {held{"a": 0, "c": 2}, []string{"a", "c", "d"}, 64, held{"a": 0, "c": 2, "d": 1}},
		"one takes another's place":                {held{"a": 0, "b": 1}, []string{"a", "c"}, 64, held{"a": 0, "c": 2}},
		"but at once if there is room for no more": {held{"a": 0, "b": 1}, []string{"a", "c"}, 2, held{"a": 0, "c": 1}},
		"less room than before":                    {held{"a": 0, "b": 7}, []string{"b", "a"}, 4, held{"a": 0, "b": 1}},
		"two that claim one slot":                  {held{"a": 1, "b": 1}, []string{"a", "b"}, 4, held{"a": 1, "b": 0}},
		"more than there is room for":              {nil, []string{"a", "b", "c"}, 2, held{"a": 0, "b": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(test.held)
			if diff := cmp.Diff(test.want, Assign(test.held, test.names, test.capacity)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(before, test.held); diff != "" {
				t.Errorf("held was changed: %s", diff)
			}
		})
	}
}

// TestNobodyMoves: through any history, slots are distinct and kept.
func TestNobodyMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(4, 16).Draw(t, "capacity")
		var held map[string]int
		for range rapid.IntRange(1, 8).Draw(t, "updates") {
			names := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string {
				return fmt.Sprintf("cluster%d", rapid.IntRange(1, 20).Draw(t, "n"))
			}), 0, capacity, rapid.ID).Draw(t, "names")
			next := Assign(held, names, capacity)
			owner := map[int]string{}
			for _, name := range names {
				slot, ok := next[name]
				if !ok || slot < 0 || slot >= capacity || owner[slot] != "" {
					t.Fatalf("%s in %v", name, next)
				}
				owner[slot] = name
				if was, ok := held[name]; ok && was != slot {
					t.Fatalf("%s moved from %d to %d", name, was, slot)
				}
			}
			if len(next) != len(names) {
				t.Fatalf("%v for %v", next, names)
			}
			held = next
		}
	})
}
