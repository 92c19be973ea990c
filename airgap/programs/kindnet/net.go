package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

type route struct{ to, via string }

// plan returns the pod range of the named node and the routes it needs: one for
// every other node that has a range and an address.
func plan(nodes []node, name string) (self string, routes []route, err error) {
	for _, n := range nodes {
		switch {
		case n.name == name:
			self = n.podCIDR
		case n.podCIDR != "" && n.address != "":
			routes = append(routes, route{to: n.podCIDR, via: n.address})
		}
	}
	if self == "" {
		return "", nil, fmt.Errorf("node %s has no pod range yet", name)
	}
	return self, routes, nil
}

// writeCNI writes the CNI configuration for a pod range when it differs, in one
// rename: the runtime reads the directory whenever it changes.
func writeCNI(path, podCIDR string) error {
	conf := map[string]any{
		"cniVersion": "0.3.1",
		"name":       "kindnet",
		"plugins": []any{
			map[string]any{
				"type": "ptp", "ipMasq": false, "mtu": 1500,
				"ipam": map[string]any{
					"type": "host-local", "dataDir": "/run/cni-ipam-state",
					"routes": []any{map[string]string{"dst": "0.0.0.0/0"}},
					"ranges": []any{[]any{map[string]string{"subnet": podCIDR}}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}
	data, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	temp := filepath.Join(filepath.Dir(path), ".kindnet.tmp")
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// destinations returns the ranges that pods reach under their own address: the
// cluster's pod ranges and what the files in dir list, one CIDR a line, # starting
// a comment. A missing directory is an empty one; a line that is no CIDR is an
// error, since ignoring it would hide the pods' addresses without a word.
func destinations(dir string, podSubnets []string) ([]string, error) {
	out := slices.Clone(podSubnets)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(data), "\n") {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			prefix, err := netip.ParsePrefix(line)
			if err != nil || !prefix.Addr().Is4() {
				return nil, fmt.Errorf("%s:%d: %q is no IPv4 range", path, i+1, line)
			}
			out = append(out, prefix.Masked().String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

const chain = "KINDNET-MASQ"

// rules is the nat table's chain, for iptables-restore --noflush, which replaces
// the chain in one step.
func rules(direct []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*nat\n:%s - [0:0]\n", chain)
	for _, d := range direct {
		fmt.Fprintf(&b, "-A %s -d %s -j RETURN\n", chain, d)
	}
	fmt.Fprintf(&b, "-A %s -j MASQUERADE\nCOMMIT\n", chain)
	return b.String()
}

// masquerade hides the pods' addresses from every destination but the direct ones.
func masquerade(ctx context.Context, podSubnets, direct []string) error {
	cmd := exec.CommandContext(ctx, "iptables-restore", "--wait=5", "--noflush")
	cmd.Stdin = strings.NewReader(rules(direct))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables-restore: %w: %s", err, bytes.TrimSpace(out))
	}
	for _, s := range podSubnets {
		jump := []string{"POSTROUTING", "-s", s, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", chain}
		if run(ctx, "iptables", append([]string{"--wait=5", "-t", "nat", "-C"}, jump...)...) == nil {
			continue
		}
		if err := run(ctx, "iptables", append([]string{"--wait=5", "-t", "nat", "-A"}, jump...)...); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
