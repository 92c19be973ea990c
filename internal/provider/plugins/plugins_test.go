package plugins

import (
	"testing"
)

func TestFromArgv0(t *testing.T) {
	tests := map[string]struct {
		want string
		ok   bool
	}{
		"pulumi-resource-tls":                 {"tls", true},
		"/opt/bin/pulumi-resource-meshwright": {"meshwright", true},
		"pulumi-resource-command.exe":         {"command", true},
		"pulumi-resource-aws":                 {"", false},
		"meshwright":                          {"", false},
		"pulumi-resource-":                    {"", false},
	}
	for argv0, tt := range tests {
		t.Run(argv0, func(t *testing.T) {
			if got, ok := FromArgv0(argv0); got != tt.want || ok != tt.ok {
				t.Errorf("FromArgv0 = %q, %v", got, ok)
			}
		})
	}
}

// TestVersions holds the twins to the plugin versions that the SDKs ask for.
func TestVersions(t *testing.T) {
	want := map[string]string{"tls": "5.3.1", "command": "1.2.1", "kubernetes": "4.30.0"}
	for name, factory := range All(Options{}) {
		info, err := factory().GetPluginInfo(t.Context())
		if err != nil || info.Version == nil {
			t.Errorf("%s: %v, %v", name, info, err)
			continue
		}
		if w, ok := want[name]; ok && info.Version.String() != w {
			t.Errorf("%s has version %s, its SDK asks for %s", name, info.Version, w)
		}
	}
}
