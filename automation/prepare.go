package automation

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
)

var opPrepare = operation{name: "prepare", recovers: forgetPending}

// Prepare creates a lab's private workspace, its passphrase and its empty stack, which
// the plain pulumi command can then bring up; see Environment. For a lab that exists
// it brings the workspace up to date with the settings, as Up does.
func (l *Lab) Prepare(ctx context.Context) error {
	s, err := l.open(ctx, opPrepare)
	if err != nil {
		return err
	}
	return s.close(ctx, &events.Collector{}, nil)
}

// Environment is the setting in which kubectl, istioctl and the plain pulumi
// command work on the lab: variables to set, KUBECONFIG and PATH included.
// PULUMI_CONFIG_PASSPHRASE must not be set, not even to the empty string. DOCKER_HOST is
// the daemon of the lab's nodes, or of those that it would get. Environment also fills
// the lab's own plugin cache with the embedded providers if the lab uses them. The lab
// must exist or be prepared.
func (l *Lab) Environment(ctx context.Context) (map[string]string, error) {
	if !isDir(l.Workspace()) {
		return nil, l.notUp()
	}
	record, err := l.record()
	if err != nil {
		return nil, err
	}
	env := l.env(l.backendURL())
	env["PULUMI_STACK"] = l.o.Name
	switch host, err := l.dockerHost(ctx); {
	case err == nil:
		env["DOCKER_HOST"] = host
	case !noDocker(err):
		return nil, err
	}
	env["KUBECONFIG"] = l.KubeconfigFile()
	env["MESHWRIGHT_KIT"] = l.o.KitDir
	env["MESHWRIGHT_LOCK"] = imagelock.File(l.o.ProjectDir)
	env["MESHWRIGHT_WORKSPACE"] = l.Workspace()
	if bin := filepath.Join(l.o.KitDir, "bin"); isDir(bin) {
		env["PATH"] = bin
	}
	if l.o.Executable == "" {
		return env, nil
	}
	embedded := map[string]string{"meshwright": ownVersion}
	if record == nil || record.Providers != ProvidersOfficial {
		for name, version := range officialVersions() {
			embedded[name] = version
		}
	}
	for name, version := range embedded {
		if err := l.linkPlugin(name, version, map[string]string{"pulumi-resource-" + name: l.o.Executable}); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// dockerHost is the daemon on the lab's record, or the one that a new lab would be on.
func (l *Lab) dockerHost(ctx context.Context) (string, error) {
	owner, err := mark.Read(l.ownerDir(), l.o.Name)
	if err == nil && owner.Daemon.Host != "" {
		return owner.Daemon.Host, nil
	}
	if err != nil && !errors.Is(err, mark.ErrNoOwner) {
		return "", err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return "", err
	}
	return client.Host(), nil
}
