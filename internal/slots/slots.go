// Package slots gives each member of a changing set of names a number of its own.
package slots

// Assign returns the slot of each name, from 0 to capacity-1. A name keeps the slot that
// it holds. Another gets the lowest slot that is free. A slot whose holder is no longer
// among the names is taken last: in the update that takes its holder away it may still
// be in use. Names for which there is no slot are left out.
func Assign(held map[string]int, names []string, capacity int) map[string]int {
	out, used, before := map[string]int{}, map[int]bool{}, map[int]bool{}
	for _, slot := range held {
		before[slot] = true
	}
	for _, name := range names {
		if slot, ok := held[name]; ok && 0 <= slot && slot < capacity && !used[slot] {
			out[name], used[slot] = slot, true
		}
	}
	for _, avoid := range []map[int]bool{before, {}} {
		next := 0
		for _, name := range names {
			if _, ok := out[name]; ok {
				continue
			}
			for next < capacity && (used[next] || avoid[next]) {
				next++
			}
			if next < capacity {
				out[name], used[next] = next, true
			}
		}
	}
	return out
}
