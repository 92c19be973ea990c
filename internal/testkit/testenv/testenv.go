// Package testenv runs a real Kubernetes API server for tests: etcd and
// kube-apiserver as processes on loopback, with no kubelet and no controllers.
// What controllers would do (pods, load-balancer addresses, garbage collection)
// a test does itself.
//
// The binaries come from the kit's bin directory. Without them tests are
// skipped with the reason, or fail when MESHWRIGHT_REQUIRE_APISERVER=1.
package testenv

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/process"
)

// token is the only credential; its user is in system:masters.
const token = "testenv-token"

// startTimeout bounds the start of both processes on a busy machine.
const startTimeout = 90 * time.Second

// APIServer is a running API server.
type APIServer struct {
	// Config is an administrator's.
	Config *rest.Config
	// Kubeconfig is the same as a file's contents, context "test".
	Kubeconfig string

	dir       string
	port      int
	etcd      *exec.Cmd
	apiserver *exec.Cmd
	etcdURL   string
	binDir    string
}

// Find returns the directory that holds etcd and kube-apiserver.
func Find() (string, error) {
	dir := filepath.Join(paths.Kit(), "bin")
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("no API server to test against: %w; build the kit with `meshwright airgap build`", err)
		}
	}
	return dir, nil
}

// Need skips the test when there is no API server to be had, or fails it when
// MESHWRIGHT_REQUIRE_APISERVER=1.
func Need(tb testing.TB) {
	tb.Helper()
	if _, err := Find(); err != nil {
		if os.Getenv("MESHWRIGHT_REQUIRE_APISERVER") == "1" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
}

// Start starts an API server. The caller stops it.
func Start(ctx context.Context) (_ *APIServer, err error) {
	bin, err := Find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "testenv-")
	if err != nil {
		return nil, err
	}
	s := &APIServer{dir: dir, binDir: bin}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, s.logs())
			s.Stop()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.startEtcd(ctx); err != nil {
		return nil, err
	}
	if err := s.writeFiles(); err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := s.StartAPIServer(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *APIServer) startEtcd(ctx context.Context) error {
	client, err := freePort()
	if err != nil {
		return err
	}
	peer, err := freePort()
	if err != nil {
		return err
	}
	s.etcdURL = fmt.Sprintf("http://127.0.0.1:%d", client)
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", peer)
	s.etcd, err = s.start("etcd",
		"--data-dir="+filepath.Join(s.dir, "etcd"), "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls="+s.etcdURL, "--advertise-client-urls="+s.etcdURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=default="+peerURL)
	if err != nil {
		return err
	}
	return poll(ctx, "etcd", http.DefaultClient, s.etcdURL+"/health")
}

// writeFiles makes the token file and the key that signs service accounts.
func (s *APIServer) writeFiles() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("sa.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(s.path("tokens.csv"), []byte(token+",admin,admin,system:masters\n"), 0o600)
}

// StartAPIServer starts kube-apiserver alone, after StopAPIServer.
func (s *APIServer) StartAPIServer(ctx context.Context) error {
	var err error
	s.apiserver, err = s.start("kube-apiserver",
		"--etcd-servers="+s.etcdURL, fmt.Sprintf("--secure-port=%d", s.port), "--bind-address=127.0.0.1",
		"--cert-dir="+s.path("certs"), "--token-auth-file="+s.path("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://testenv", "--service-account-key-file="+s.path("sa.key"), "--service-account-signing-key-file="+s.path("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false",
		"--watch-cache=true", "--v=0")
	if err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", s.port)
	s.Config = &rest.Config{
		Host: server, BearerToken: token, QPS: 500, Burst: 1000,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}, // the server makes its own certificate
	}
	client, err := rest.HTTPClientFor(s.Config)
	if err != nil {
		return err
	}
	if err := poll(ctx, "kube-apiserver", client, server+"/readyz"); err != nil {
		return err
	}
	cfg := api.NewConfig()
	cfg.Clusters["test"] = &api.Cluster{Server: server, InsecureSkipTLSVerify: true}
	cfg.AuthInfos["admin"] = &api.AuthInfo{Token: token}
	cfg.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "admin"}
	cfg.CurrentContext = "test"
	raw, err := clientcmd.Write(*cfg)
	s.Kubeconfig = string(raw)
	return err
}

// StopAPIServer ends kube-apiserver and keeps its data.
func (s *APIServer) StopAPIServer() { stop(s.apiserver); s.apiserver = nil }

// Stop ends both processes and removes their data.
func (s *APIServer) Stop() {
	stop(s.apiserver)
	stop(s.etcd)
	_ = os.RemoveAll(s.dir)
}

func (s *APIServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *APIServer) start(name string, args ...string) (*exec.Cmd, error) {
	log, err := os.OpenFile(s.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.binDir, name), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = process.Child(syscall.SIGKILL)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return cmd, nil
}

func stop(cmd *exec.Cmd) {
	if cmd == nil || cmd.Process == nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGKILL) // nothing of theirs is kept
	_ = cmd.Wait()
}

func (s *APIServer) logs() string {
	var out strings.Builder
	for _, name := range []string{"etcd.log", "kube-apiserver.log"} {
		raw, err := os.ReadFile(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if len(raw) > 4096 {
			raw = raw[len(raw)-4096:]
		}
		fmt.Fprintf(&out, "%s:\n%s\n", name, raw)
	}
	return out.String()
}

func poll(ctx context.Context, name string, client *http.Client, url string) error {
	last := ""
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		res, err := client.Do(req)
		if err != nil {
			last = err.Error()
			return false, nil
		}
		last = res.Status
		return res.StatusCode == http.StatusOK, res.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("%s did not get ready: %s: %w", name, last, err)
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
