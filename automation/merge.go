package automation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/automation/internal/lock"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/report"
)

// merged is what MergeKubeconfig put into a file of the user's: a cluster and a user of
// one name, and the contexts of both. The digests tell them from others of that name.
type merged struct {
	File    string `json:"file"`
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
	User    string `json:"user"`
}

// MergeKubeconfig adds the lab's contexts to the user's own kubeconfig, KUBECONFIG or
// ~/.kube/config, and returns the file. It does not replace a context of the same name
// for another cluster, and keeps the current context. Destroy removes what it added.
func (l *Lab) MergeKubeconfig(o *Outputs) (file string, err error) {
	own, err := o.Kubeconfig()
	if err != nil {
		return "", err
	}
	held, err := lock.Acquire(l.lockFile(), l.o.Name, "kubeconfig") // a Destroy would miss what comes later
	if err != nil {
		return "", err
	}
	defer held.Release(false)
	access := clientcmd.NewDefaultPathOptions()
	user, err := access.GetStartingConfig()
	if err != nil {
		return "", fmt.Errorf("read your kubeconfig: %w", err)
	}
	record, err := l.mergedBefore()
	if err != nil {
		return "", err
	}
	if err := addContexts(user, own, record); err != nil {
		return "", err
	}
	// The record comes first: of what it has too much nothing is removed.
	for _, file := range append(access.GetLoadingPrecedence(), access.GetDefaultFilename()) {
		if file, err = filepath.Abs(file); err != nil {
			return "", err
		}
		for name, c := range own.Clusters {
			m := merged{File: file, Name: name, Cluster: clusterDigest(c), User: userDigest(own.AuthInfos[name])}
			if !slices.Contains(record, m) {
				record = append(record, m)
			}
		}
	}
	data, err := json.MarshalIndent(record, "", "  ")
	if err == nil {
		err = workspace.WriteFile(l.mergedFile(), append(data, '\n'))
	}
	if err != nil {
		return "", fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	if err := clientcmd.ModifyConfig(access, *user, true); err != nil {
		return "", fmt.Errorf("write your kubeconfig: %w", err)
	}
	return access.GetDefaultFilename(), nil
}

// addContexts adds the lab's contexts, clusters and users. It replaces those that before
// has.
func addContexts(user, lab *api.Config, before []merged) error {
	for name, c := range lab.Clusters {
		old, ok := user.Clusters[name]
		if !ok || clusterDigest(old) == clusterDigest(c) ||
			slices.ContainsFunc(before, func(m merged) bool { return m.Name == name && m.Cluster == clusterDigest(old) }) {
			continue
		}
		return report.WithRemedies(fmt.Errorf("your kubeconfig has another cluster %s, at %s", name, old.Server),
			report.Remedy{Text: "should it be gone", Command: "kubectl config delete-cluster " + name})
	}
	for name, c := range lab.Contexts {
		if old, ok := user.Contexts[name]; ok && old.Cluster != c.Cluster {
			return report.WithRemedies(fmt.Errorf("your kubeconfig has another context %s, for %s", name, old.Cluster),
				report.Remedy{Text: "to rename it", Command: "kubectl config rename-context " + name + " NEW"})
		}
	}
	for name, c := range lab.Contexts {
		user.Contexts[name] = c
		user.Clusters[c.Cluster] = lab.Clusters[c.Cluster]
		user.AuthInfos[c.AuthInfo] = lab.AuthInfos[c.AuthInfo]
	}
	if user.CurrentContext == "" {
		user.CurrentContext = lab.CurrentContext
	}
	return nil
}

func (l *Lab) mergedFile() string { return filepath.Join(l.Dir(), "merged.json") }

func (l *Lab) mergedBefore() ([]merged, error) {
	data, err := os.ReadFile(l.mergedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var record []merged
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if err != nil {
		return nil, fmt.Errorf("lab %s: %s: %w", l.o.Name, l.mergedFile(), err)
	}
	return record, nil
}

// unmerge removes what MergeKubeconfig added and returns the names of the contexts. A
// file that cannot be read or written does not keep a lab from going: it is logged.
func (l *Lab) unmerge() (contexts []string) {
	record, err := l.mergedBefore()
	files := map[string][]merged{}
	for _, m := range record {
		files[m.File] = append(files[m.File], m)
	}
	for file, all := range files {
		names, fileErr := unmergeFile(file, all)
		contexts = append(contexts, names...)
		err = errors.Join(err, fileErr)
	}
	if err != nil {
		l.warn(opDestroy.name, fmt.Sprintf("contexts of the lab are left in your kubeconfig: %v", err))
	}
	slices.Sort(contexts)
	return contexts
}

func unmergeFile(file string, all []merged) (contexts []string, err error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	access := &clientcmd.PathOptions{GlobalFile: file, LoadingRules: &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}}
	config, err := access.GetStartingConfig()
	if err != nil {
		return nil, err
	}
	changed := false
	for _, m := range all {
		if u := config.AuthInfos[m.Name]; u != nil && userDigest(u) == m.User {
			delete(config.AuthInfos, m.Name)
			changed = true
		}
		if c := config.Clusters[m.Name]; c == nil || clusterDigest(c) != m.Cluster {
			continue
		}
		delete(config.Clusters, m.Name)
		changed = true
		for name, c := range config.Contexts {
			if c.Cluster == m.Name && c.AuthInfo == m.Name {
				delete(config.Contexts, name)
				contexts = append(contexts, name)
			}
		}
	}
	if slices.Contains(contexts, config.CurrentContext) {
		config.CurrentContext = ""
	}
	if !changed {
		return nil, nil
	}
	return contexts, clientcmd.ModifyConfig(access, *config, true)
}

// clusterDigest identifies an API server, by its address and its authority.
func clusterDigest(c *api.Cluster) string {
	return digest(c.Server, string(c.CertificateAuthorityData))
}

// userDigest identifies a user by the credentials that kind and the program give one.
func userDigest(u *api.AuthInfo) string {
	return digest(u.Token, string(u.ClientCertificateData), string(u.ClientKeyData))
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}
