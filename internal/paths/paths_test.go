package paths

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDirectories(t *testing.T) {
	nobody := filepath.Join(os.TempDir(), "meshwright-"+strconv.Itoa(os.Getuid()))
	for name, tc := range map[string]struct {
		env  map[string]string
		want [4]string // Cache, State, Kit, Lab("dev")
	}{
		"home": {
			env: map[string]string{"HOME": "/home/u"},
			want: [4]string{
				"/home/u/.cache/meshwright", "/home/u/.local/state/meshwright",
				"/home/u/.cache/meshwright/kit", "/home/u/.local/state/meshwright/labs/dev",
			},
		},
		"xdg": {
			env:  map[string]string{"HOME": "/home/u", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"},
			want: [4]string{"/c/meshwright", "/s/meshwright", "/c/meshwright/kit", "/s/meshwright/labs/dev"},
		},
		"relative xdg is ignored": {
			env: map[string]string{"HOME": "/home/u", "XDG_CACHE_HOME": "c", "XDG_STATE_HOME": "./s"},
			want: [4]string{
				"/home/u/.cache/meshwright", "/home/u/.local/state/meshwright",
				"/home/u/.cache/meshwright/kit", "/home/u/.local/state/meshwright/labs/dev",
			},
		},
		"kit of its own": {
			env: map[string]string{"HOME": "/home/u", "MESHWRIGHT_KIT": "/kits/one"},
			want: [4]string{
				"/home/u/.cache/meshwright", "/home/u/.local/state/meshwright",
				"/kits/one", "/home/u/.local/state/meshwright/labs/dev",
			},
		},
		"no home": {
			want: [4]string{
				nobody + "/.cache/meshwright", nobody + "/.local/state/meshwright",
				nobody + "/.cache/meshwright/kit", nobody + "/.local/state/meshwright/labs/dev",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "MESHWRIGHT_KIT"} {
				t.Setenv(key, tc.env[key])
			}
			got := [4]string{Cache(), State(), Kit(), Lab("dev")}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}
