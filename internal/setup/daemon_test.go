package setup

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestDaemonConfig(t *testing.T) {
	for name, wrap := range map[string]bool{"wrapped": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			data, err := (Machine{}).daemonConfig(wrap)
			if err != nil {
				t.Fatal(err)
			}
			var config struct {
				Hosts    []string `json:"hosts"`
				Root     string   `json:"data-root"`
				Default  string   `json:"default-runtime"`
				Runtimes map[string]struct{ Path string }
			}
			if err := json.Unmarshal(data, &config); err != nil {
				t.Fatal(err)
			}
			if len(config.Hosts) != 1 || config.Hosts[0] != "unix:///run/meshwright/docker.sock" {
				t.Errorf("it listens on %q", config.Hosts)
			}
			if config.Root != "/var/lib/meshwright/docker" {
				t.Errorf("its data are in %s", config.Root)
			}
			if got := config.Runtimes[config.Default].Path == "/var/lib/meshwright/oci-runtime"; got != wrap {
				t.Errorf("through the wrapper is %t", got)
			}
		})
	}
}

func TestDaemonEnv(t *testing.T) {
	got := strings.Join(daemonEnv([]string{"HOME=/root", "AWS_SECRET_ACCESS_KEY=s3cret", "DOCKER_HOST=tcp://x", "https_proxy=http://p", "PATHX=1"}), "\n")
	for _, part := range []string{"s3cret", "DOCKER_HOST", "PATHX"} {
		if strings.Contains(got, part) {
			t.Errorf("%s reaches the daemon", part)
		}
	}
	for _, part := range []string{"HOME=/root", "https_proxy=http://p"} {
		if !strings.Contains(got, part) {
			t.Errorf("%s does not reach the daemon", part)
		}
	}
}

func TestClearFormerBoot(t *testing.T) {
	for name, tc := range map[string]struct {
		boot string
		want bool // the exec root stays
	}{
		"this boot":    {bootA, true},
		"a former one": {bootB, false},
		"none yet":     {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, map[string]string{
				"/run/meshwright/docker/containerd/daemon/x": "", bootID: bootA, "/proc/self/mountinfo": "",
			})
			if err := m.clearFormerBoot(Record{Daemon: Process{Boot: tc.boot}}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(m.execRoot()); (err == nil) != tc.want {
				t.Errorf("the exec root is there: %t, want %t", err == nil, tc.want)
			}
		})
	}
}
