package docker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("lab-b 512MiB / 23.4GiB\nlab-a 1.5GiB / 23.4GiB\n")
	want := []Usage{{"lab-a", 1.5 * (1 << 30)}, {"lab-b", 512 << 20}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
	for _, bad := range []string{"lab-a\n", "lab-a much / 1\n"} {
		if _, err := parseMemory(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
