package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// canary searches everything that was printed so far, reports in every form, the
// lab's logs and a collected archive for every private key and token of the mesh.
func canary(t *testing.T, h *harness) {
	h.must(t, "preview", "--name", h.lab, "--output", "json")
	h.must(t, "preview", "--name", h.lab, "-c", "meshID=other")
	if r := h.must(t, "preview", "--name", h.lab, "-c", "meshID=other", "--output", "markdown"); !strings.Contains(r.stdout, "| `"+h.lab+"` | ") || !strings.Contains(r.stdout, "From a preview on the lab's own state.") {
		t.Errorf("another meshID, in Markdown:\n%s", r.stdout)
	}
	h.must(t, "status", "--name", h.lab, "--output", "json")
	for _, form := range []string{"junit", "html"} {
		h.must(t, "verify", "--name", h.lab, "--output", form)
	}
	archive := filepath.Join(t.TempDir(), "collected.tar.gz")
	h.must(t, "collect", "--name", h.lab, "--file", archive)

	haystack := labLogs(t, h)
	for name, data := range unpack(t, archive) {
		haystack["archive: "+name] = data
	}
	h.secrets = meshSecrets(t, h)
	if len(h.secrets) < 12 {
		t.Fatalf("only %d secrets found to search for: %v", len(h.secrets), slices.Sorted(maps.Keys(h.secrets)))
	}
	h.search(t, haystack)

	// The positive control: the search does find a secret where one is.
	for what, secret := range h.secrets {
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

// search looks for every secret in what was printed so far and in the documents.
func (h *harness) search(t *testing.T, documents map[string][]byte) {
	t.Helper()
	searched := 0
	for what, secret := range h.secrets {
		for _, needle := range needles(secret) {
			searched++
			if bytes.Contains(h.transcript.Bytes(), []byte(needle)) {
				t.Errorf("%s was printed", what)
			}
			for where, data := range documents {
				if bytes.Contains(data, []byte(needle)) {
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
	t.Logf("%d forms of %d secrets searched in %d documents and %d bytes of output", searched, len(h.secrets), len(documents), h.transcript.Len())
}

// meshSecrets are the mesh's private keys and tokens by description: from every
// Secret of every cluster, and from the stack's state.
func meshSecrets(t *testing.T, h *harness) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	path := filepath.Join(h.State, "meshwright", "labs", h.lab, "kubeconfig")
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
	passphrase, err := os.ReadFile(filepath.Join(h.State, "meshwright", "labs", h.lab, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["passphrase"] = strings.TrimSpace(string(passphrase))
	inState := keysInState(t, h)
	if len(inState) < 3 {
		t.Errorf("%d private keys in the state, want the root's and two intermediates'", len(inState))
	}
	maps.Copy(secrets, inState)
	return secrets
}

// keysInState are the private keys in the stack's state, the root CA's among them,
// which is nowhere else.
func keysInState(t *testing.T, h *harness) map[string]string {
	t.Helper()
	lab, _ := h.open(t)
	settings, err := lab.Environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range settings {
		if name != "PATH" {
			env = append(env, name+"="+value)
		}
	}
	var state struct {
		Deployment struct {
			Resources []struct {
				URN     string
				Outputs map[string]any
			}
		}
	}
	export := h.tool(t, env, "pulumi", "stack", "export", "--show-secrets", "--stack", h.lab, "-C", lab.Workspace())
	if err := json.Unmarshal([]byte(export), &state); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for _, r := range state.Deployment.Resources {
		if key, ok := r.Outputs["privateKeyPem"]; ok {
			// With the secrets shown a secret is its plain text in JSON.
			text, ok := key.(map[string]any)["plaintext"].(string)
			if !ok || !privateKey.MatchString(text) {
				t.Errorf("%s: its private key is no secret in the state", r.URN)
				continue
			}
			var pem string
			if err := json.Unmarshal([]byte(text), &pem); err != nil {
				t.Fatal(err)
			}
			keys["state: "+r.URN] = pem
		}
	}
	return keys
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
	root := filepath.Join(h.State, "meshwright", "labs", h.lab)
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
