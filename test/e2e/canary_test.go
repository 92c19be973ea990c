package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// canary searches everything that was printed so far, a preview, a report, the
// lab's logs and a collected archive for every private key and token of the mesh.
func canary(t *testing.T, h *harness) {
	h.must(t, "preview", "--name", h.lab, "--output", "json")
	h.must(t, "preview", "--name", h.lab, "-c", "meshID=other")
	h.must(t, "status", "--name", h.lab, "--output", "json")
	archive := filepath.Join(t.TempDir(), "collected.tar.gz")
	h.must(t, "collect", "--name", h.lab, "--file", archive)

	haystack := map[string][]byte{"printed output": h.transcript.Bytes()}
	for name, data := range unpack(t, archive) {
		haystack["archive: "+name] = data
	}
	for name, data := range labLogs(t, h) {
		haystack["file: "+name] = data
	}
	secrets := meshSecrets(t, h)
	if len(secrets) < 10 {
		t.Fatalf("only %d secrets found to search for: %v", len(secrets), names(secrets))
	}
	searched := 0
	for what, secret := range secrets {
		for _, needle := range needles(secret) {
			searched++
			for where, data := range haystack {
				if bytes.Contains(data, []byte(needle)) {
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
	t.Logf("%d forms of %d secrets searched in %d documents", searched, len(secrets), len(haystack))

	// The positive control: the search does find a secret where one is.
	for what, secret := range secrets {
		planted := "data: " + base64.StdEncoding.EncodeToString([]byte("x"+secret+"y"))
		found := false
		for _, needle := range needles(secret) {
			found = found || strings.Contains(planted, needle)
		}
		if !found {
			t.Errorf("the search would miss %s in base64", what)
		}
	}
}

// meshSecrets are the mesh's private keys and tokens by description: from every
// Secret of every cluster, and from the stack's state.
func meshSecrets(t *testing.T, h *harness) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	path := filepath.Join(h.state, "meshwright", "labs", h.lab, "kubeconfig")
	merged, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, user := range merged.AuthInfos {
		if len(user.ClientKeyData) > 0 {
			secrets["client key of "+name] = string(user.ClientKeyData)
		}
	}
	for name := range merged.Contexts {
		config, err := clientcmd.NewNonInteractiveClientConfig(*merged, name, nil, nil).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		list, err := client.CoreV1().Secrets(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Items {
			for key, value := range s.Data {
				what := name + " " + s.Namespace + "/" + s.Name + " " + key
				switch {
				case privateKey.Match(value), s.Type == corev1.SecretTypeServiceAccountToken && key == "token":
					secrets[what] = string(value)
				case s.Labels["istio/multiCluster"] == "true": // a kubeconfig, of which the token alone is secret
					remote, err := clientcmd.Load(value)
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					for user, info := range remote.AuthInfos {
						secrets[what+" "+user] = info.Token
					}
				}
			}
		}
	}
	state, err := os.ReadFile(filepath.Join(h.state, "meshwright", "labs", h.lab, "passphrase"))
	if err == nil {
		secrets["passphrase"] = strings.TrimSpace(string(state))
	}
	return secrets
}

var privateKey = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)

// needles are the forms in which a secret could show: its long lines as they
// are (of a key in PEM the first two hold the private part), and in base64 at
// each of the three alignments.
func needles(secret string) []string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(secret), "\n") {
		if len(line) >= 20 && !strings.Contains(line, "-----") && (len(line) >= 64 || !strings.Contains(secret, "\n")) {
			out = append(out, line)
		}
	}
	body := secret
	if lines := strings.SplitN(secret, "\n", 3); len(lines) == 3 { // PEM: the line after the header
		body = lines[1]
	}
	for shift := range 3 {
		// Bytes that share a group of three with what stands before or after the
		// secret encode differently: leave them out.
		part := body[shift:]
		out = append(out, base64.StdEncoding.EncodeToString([]byte(part[:len(part)/3*3])))
	}
	return out
}

// labLogs are the files of the lab's directory other than those whose purpose is
// to hold secrets, all of which are private to the user.
func labLogs(t *testing.T, h *harness) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := filepath.Join(h.state, "meshwright", "labs", h.lab)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		// The owner file is read inside nodes, and the workspace's settings hold
		// no more than their tracked originals and a salt.
		open := strings.HasPrefix(name, "owner/") || strings.HasPrefix(name, "workspace/Pulumi.")
		if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && !open && info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s has mode %o, want 0600", name, info.Mode().Perm())
		}
		if name == "passphrase" || strings.Contains(name, "kubeconfig") || !info.Mode().IsRegular() {
			return nil
		}
		if info.Size() < 32<<20 {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func unpack(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the archive has mode %o, want 600", info.Mode().Perm())
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 10 {
		t.Errorf("the archive holds only %d files", len(files))
	}
	return files
}

func names(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
