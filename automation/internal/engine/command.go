package engine

import (
	"context"
	"io"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// Command runs one command of the CLI in a workspace and returns what it printed, for
// what the Automation API does not offer or does in a way that will not do.
func Command(ctx context.Context, ws auto.Workspace, stdin io.Reader, args ...string) (string, error) {
	env := []string{"PULUMI_HOME=" + ws.PulumiHome()}
	for k, v := range ws.GetEnvVars() {
		env = append(env, k+"="+v)
	}
	out, complaint, _, err := ws.PulumiCommand().Run(ctx, ws.WorkDir(), stdin, nil, nil, env, args...)
	if text := strings.TrimSpace(complaint); err != nil && text != "" {
		err = Reworded(err, strings.TrimPrefix(text, "error: "))
	}
	return out, err
}
