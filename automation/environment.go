package automation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// pluginVersions are the versions that the program's SDKs ask for. The plugin
// cache answers to exactly these and warns of nothing.
func pluginVersions() map[string]string {
	return map[string]string{
		"kubernetes": "4.30.0",
		"tls":        "5.3.1",
		"command":    "1.2.1",
		"meshwright": "0.1.0",
	}
}

// Environment is the setting in which kubectl, istioctl and the plain pulumi
// command work on the lab: variables to set, KUBECONFIG and PATH included. It
// fills the lab's own plugin cache with the embedded providers. The lab must
// exist.
func (l *Lab) Environment() (map[string]string, error) {
	if _, err := os.Stat(l.Dir()); errors.Is(err, os.ErrNotExist) {
		return nil, &NotUpError{Lab: l.o.Name}
	}
	env := l.env(l.backendURL())
	env["PULUMI_STACK"] = l.o.Name
	env["KUBECONFIG"] = l.KubeconfigFile()
	env["MESHWRIGHT_KIT"] = l.o.KitDir
	env["MESHWRIGHT_WORKSPACE"] = l.Workspace()
	if bin := filepath.Join(l.o.KitDir, "bin"); isDir(bin) {
		env["PATH"] = bin
	}
	if l.o.Executable == "" {
		return env, nil
	}
	for name, version := range pluginVersions() {
		dir := filepath.Join(l.pulumiHome(), "plugins", fmt.Sprintf("resource-%s-v%s", name, version))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		link := filepath.Join(dir, "pulumi-resource-"+name)
		if to, err := os.Readlink(link); err == nil && to == l.o.Executable {
			continue
		}
		if err := errors.Join(removeIfThere(link), os.Symlink(l.o.Executable, link)); err != nil {
			return nil, err
		}
	}
	return env, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
