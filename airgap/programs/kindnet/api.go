package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/"
	// kubeletConfig names the API server as the node itself reaches it, so that
	// pods get their network before kube-proxy serves the cluster's own address.
	kubeletConfig = "/etc/kubernetes/kubelet.conf"
)

// client reads the cluster's nodes.
type client struct {
	url  string
	http *http.Client
}

func inCluster() (*client, error) {
	ca, err := os.ReadFile(serviceAccount + "ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the service account's ca.crt holds no certificate")
	}
	kubeconfig, err := os.ReadFile(kubeletConfig)
	if err != nil {
		return nil, err
	}
	url, err := serverOf(string(kubeconfig))
	if err != nil {
		return nil, err
	}
	return &client{
		url: url,
		http: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		},
	}, nil
}

// serverOf finds the API server's URL in a kubeconfig of one cluster, as kubeadm
// writes it for the kubelet.
func serverOf(kubeconfig string) (string, error) {
	for line := range strings.Lines(kubeconfig) {
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "server: "); ok {
			return strings.Trim(url, `"'`), nil
		}
	}
	return "", fmt.Errorf("%s names no server", kubeletConfig)
}

// node is what this program needs of a Kubernetes node.
type node struct {
	name    string
	address string // internal IPv4 address
	podCIDR string // empty until the controller manager has assigned one
}

func (c *client) nodes(ctx context.Context) ([]node, error) {
	// The token is rotated: read it each time.
	token, err := os.ReadFile(serviceAccount + "token")
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list nodes: %s: %.200s", resp.Status, body)
	}
	return decodeNodes(body)
}

func decodeNodes(list []byte) ([]node, error) {
	var parsed struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ PodCIDR string }
			Status   struct {
				Addresses []struct{ Type, Address string }
			}
		}
	}
	if err := json.Unmarshal(list, &parsed); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := make([]node, 0, len(parsed.Items))
	for _, item := range parsed.Items {
		n := node{name: item.Metadata.Name, podCIDR: item.Spec.PodCIDR}
		for _, a := range item.Status.Addresses {
			if ip := net.ParseIP(a.Address); a.Type == "InternalIP" && ip != nil && ip.To4() != nil {
				n.address = a.Address
				break
			}
		}
		out = append(out, n)
	}
	return out, nil
}
