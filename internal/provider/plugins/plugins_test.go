package plugins

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
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

// TestNoFunctions: what is not embedded is refused by its name.
func TestNoFunctions(t *testing.T) {
	const token = "tls:index/getCertificate:getCertificate"
	for name, factory := range All(Options{}) {
		p := factory()
		_, invoked := p.Invoke(t.Context(), plugin.InvokeRequest{Tok: token})
		_, called := p.Call(t.Context(), plugin.CallRequest{Tok: token})
		_, constructed := p.Construct(t.Context(), plugin.ConstructRequest{Type: token})
		for _, err := range []error{invoked, called, constructed} {
			if err == nil || !strings.Contains(err.Error(), token+" is not part of the embedded "+name+" provider") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
