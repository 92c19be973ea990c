package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meshwright/meshwright/internal/artifacts"
)

//go:embed manifests
var manifests embed.FS

// handCluster is one of the two clusters of the article, as in its scripts.
type handCluster struct {
	Cluster, Kind, Region, Network string
	PodSubnet, ServiceSubnet, Pool string
	HelloVersion                   string
}

var handClusters = []handCluster{
	{"cluster1", "mwbench-cluster1", "region1", "network1", "10.10.0.0/16", "10.110.0.0/16", "10.191.8.0/27", "v2"},
	{"cluster2", "mwbench-cluster2", "region2", "network2", "10.11.0.0/16", "10.111.0.0/16", "10.191.8.32/27", "v1"},
}

const (
	handNetwork = "mwbench"
	handSubnet  = "10.191.0.0/20"
	handRange   = "10.191.0.0/21"
)

// byHand runs the article's steps with kind, helm, kubectl and istioctl.
type byHand struct {
	set       *artifacts.Set
	docker    []string // environment variables with which docker finds the daemon
	nodeImage string
	loadImage bool // copy the workload images into the nodes with `kind load`
	parallel  bool // run independent steps in parallel
	dir       string
	// certified creates the certificates once, and waits for them.
	certified func() error

	mu    sync.Mutex
	parts map[string]time.Duration // step → time spent, summed over clusters
}

// run creates the mesh, waits until both versions answer, and returns the wall time. It
// removes the mesh before it returns, outside the measured time.
func (h *byHand) run(ctx context.Context) (_ time.Duration, err error) {
	h.parts = map[string]time.Duration{}
	if h.dir, err = os.MkdirTemp("", "mwbench-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(h.dir)
	defer func() { err = errors.Join(err, h.remove(context.WithoutCancel(ctx))) }()

	start := time.Now()
	if err := h.command(ctx, nil, "docker", "network", "create", "--subnet", handSubnet, "--ip-range", handRange, handNetwork); err != nil {
		return 0, err
	}
	h.certified = sync.OnceValue(func() error { return h.certificates(ctx) })
	// A cluster waits for another only in remote secrets. In parallel, the sample does
	// not wait for these.
	if err := h.together(h.certified, func() error { return h.each(ctx, h.install) }); err != nil {
		return 0, err
	}
	if err := h.timed("remote secrets", func() error { return h.remoteSecrets(ctx) }); err != nil {
		return 0, err
	}
	if !h.parallel {
		if err := h.each(ctx, h.sample); err != nil {
			return 0, err
		}
	}
	if err := h.timed("first answers", func() error { return bothAnswer(ctx, h.call) }); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// install creates one cluster and its contents: everything in parallel mode, else
// everything but the sample.
func (h *byHand) install(ctx context.Context, c handCluster) error {
	step := func(name string, do func(context.Context, handCluster) error) func() error {
		return func() error {
			if err := h.timed(name, func() error { return do(ctx, c) }); err != nil {
				return fmt.Errorf("%s: %s: %w", c.Cluster, name, err)
			}
			return nil
		}
	}
	for _, do := range []func() error{step("cluster", h.cluster), step("image load", h.load)} {
		if err := do(); err != nil {
			return err
		}
	}
	served := []func() error{step("Istio", h.ingressGateway), step("Istio", h.eastWestGateway)}
	if h.parallel {
		served = append(served, func() error { return h.sample(ctx, c) })
	}
	return h.together(step("MetalLB", h.metallb), func() error {
		if err := step("Istio", h.controlPlane)(); err != nil {
			return err
		}
		return h.together(served...)
	})
}

// together runs functions in sequence until one fails, or in parallel mode all at once.
func (h *byHand) together(do ...func() error) error {
	var group errgroup.Group
	for _, f := range do {
		if h.parallel {
			group.Go(f)
		} else if err := f(); err != nil {
			return err
		}
	}
	return group.Wait()
}

func (h *byHand) cluster(ctx context.Context, c handCluster) error {
	config, err := h.render("kind.yaml", c)
	if err != nil {
		return err
	}
	wait := "120s"
	if h.parallel { // pods wait for the nodes
		wait = "0s"
	}
	return h.command(ctx, config, "kind", "create", "cluster", "--name", c.Kind, "--image", h.nodeImage,
		"--kubeconfig", h.kubeconfig(c), "--config", "-", "--wait", wait)
}

func (h *byHand) load(ctx context.Context, c handCluster) error {
	if !h.loadImage {
		return nil
	}
	return h.command(ctx, nil, "kind", "load", "image-archive", "--name", c.Kind, filepath.Join(h.set.Dir(), "images", "workloads.tar"))
}

func (h *byHand) metallb(ctx context.Context, c handCluster) error {
	if err := h.helm(ctx, c, "metallb", "metallb-system", "metallb", "metallb-values.yaml"); err != nil {
		return err
	}
	return h.apply(ctx, c, "pool.yaml")
}

func (h *byHand) controlPlane(ctx context.Context, c handCluster) error {
	if err := h.certified(); err != nil {
		return err
	}
	if err := h.kubectl(ctx, c, nil, "create", "namespace", "istio-system"); err != nil {
		return err
	}
	if err := h.kubectl(ctx, c, nil, "label", "namespace", "istio-system", "topology.istio.io/network="+c.Network); err != nil {
		return err
	}
	ca := filepath.Join(h.dir, c.Cluster)
	if err := h.kubectl(ctx, c, nil, "create", "secret", "generic", "cacerts", "-n", "istio-system",
		"--from-file="+filepath.Join(ca, "ca-cert.pem"), "--from-file="+filepath.Join(ca, "ca-key.pem"),
		"--from-file="+filepath.Join(ca, "root-cert.pem"), "--from-file="+filepath.Join(ca, "cert-chain.pem")); err != nil {
		return err
	}
	if err := h.helm(ctx, c, "istio-base", "istio-system", "base", ""); err != nil {
		return err
	}
	return h.helm(ctx, c, "istiod", "istio-system", "istiod", "istiod-values.yaml")
}

func (h *byHand) ingressGateway(ctx context.Context, c handCluster) error {
	return h.helm(ctx, c, "istio-ingressgateway", "istio-system", "gateway", "gateway-values.yaml")
}

func (h *byHand) eastWestGateway(ctx context.Context, c handCluster) error {
	if err := h.helm(ctx, c, "istio-eastwestgateway", "istio-system", "gateway", "gateway-values.yaml", "--set", "networkGateway="+c.Network); err != nil {
		return err
	}
	return h.apply(ctx, c, "cross-network.yaml")
}

// remoteSecrets lets each control plane watch the other cluster, by its address as in the
// article.
func (h *byHand) remoteSecrets(ctx context.Context) error {
	return h.each(ctx, func(ctx context.Context, from handCluster) error {
		address, err := h.output(ctx, nil, "docker", "inspect", "-f",
			"{{range.NetworkSettings.Networks}}{{.IPAddress}}{{end}}", from.Kind+"-control-plane")
		if err != nil {
			return err
		}
		secret, err := h.output(ctx, nil, "istioctl", "create-remote-secret", "--kubeconfig", h.kubeconfig(from),
			"--server", "https://"+strings.TrimSpace(string(address))+":6443", "--name", from.Cluster)
		if err != nil {
			return err
		}
		to := handClusters[0]
		if to == from {
			to = handClusters[1]
		}
		return h.kubectl(ctx, to, secret, "apply", "-f", "-")
	})
}

func (h *byHand) sample(ctx context.Context, c handCluster) error {
	return h.timed("sample", func() error {
		if err := h.kubectl(ctx, c, nil, "create", "namespace", "sample"); err != nil {
			return err
		}
		if err := h.kubectl(ctx, c, nil, "label", "namespace", "sample", "istio-injection=enabled"); err != nil {
			return err
		}
		if err := h.apply(ctx, c, "sample.yaml"); err != nil {
			return err
		}
		return h.kubectl(ctx, c, nil, "wait", "-n", "sample", "--for=condition=Available", "--timeout=120s", "deployment", "--all")
	})
}

// bothAnswer sends requests from sleep in every cluster until v1 and v2 have answered each.
func bothAnswer(ctx context.Context, call func(ctx context.Context, cluster string) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for _, c := range handClusters {
		answers := ""
		for !strings.Contains(answers, "version: v1") || !strings.Contains(answers, "version: v2") {
			out, err := call(ctx, c.Cluster)
			if ctx.Err() != nil {
				return fmt.Errorf("%s got only %q: %w", c.Cluster, answers, errors.Join(err, ctx.Err()))
			}
			answers += string(out)
		}
	}
	return nil
}

func (h *byHand) call(ctx context.Context, cluster string) ([]byte, error) {
	return h.output(ctx, nil, "kubectl", "--kubeconfig", filepath.Join(h.dir, cluster+".kubeconfig"), "exec", "-n", "sample", "deploy/sleep", "-c", "sleep",
		"--", "curl", "-s", "helloworld.sample:5000/hello")
}

// certificates creates the root and an intermediate for each cluster with openssl, as
// Istio's own Makefile does.
func (h *byHand) certificates(ctx context.Context) error {
	return h.timed("certificates", func() error {
		in := func(parts ...string) string { return filepath.Join(append([]string{h.dir}, parts...)...) }
		if err := h.command(ctx, nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
			"-subj", "/O=Istio/CN=Root CA", "-keyout", in("root-key.pem"), "-out", in("root-cert.pem")); err != nil {
			return err
		}
		for _, c := range handClusters {
			if err := os.Mkdir(in(c.Cluster), 0o700); err != nil {
				return err
			}
			ext := in(c.Cluster, "ext.cnf")
			if err := os.WriteFile(ext, []byte("basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,digitalSignature\nsubjectAltName=DNS:istiod.istio-system.svc\n"), 0o600); err != nil {
				return err
			}
			if err := h.command(ctx, nil, "openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes",
				"-subj", "/O=Istio/CN=Intermediate CA/L="+c.Cluster, "-keyout", in(c.Cluster, "ca-key.pem"), "-out", in(c.Cluster, "csr.pem")); err != nil {
				return err
			}
			if err := h.command(ctx, nil, "openssl", "x509", "-req", "-days", "730", "-CAcreateserial", "-extfile", ext,
				"-CA", in("root-cert.pem"), "-CAkey", in("root-key.pem"), "-in", in(c.Cluster, "csr.pem"), "-out", in(c.Cluster, "ca-cert.pem")); err != nil {
				return err
			}
			intermediate, err := os.ReadFile(in(c.Cluster, "ca-cert.pem"))
			if err != nil {
				return err
			}
			root, err := os.ReadFile(in("root-cert.pem"))
			if err != nil {
				return err
			}
			for name, data := range map[string][]byte{"root-cert.pem": root, "cert-chain.pem": append(intermediate, root...)} {
				if err := os.WriteFile(in(c.Cluster, name), data, 0o600); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (h *byHand) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	for _, c := range handClusters {
		errs = append(errs, h.command(ctx, nil, "kind", "delete", "cluster", "--name", c.Kind, "--kubeconfig", h.kubeconfig(c)))
	}
	errs = append(errs, h.command(ctx, nil, "docker", "network", "rm", handNetwork))
	return errors.Join(errs...)
}

// each runs do for every cluster, in sequence or in parallel mode at once.
func (h *byHand) each(ctx context.Context, do func(context.Context, handCluster) error) error {
	var all []func() error
	for _, c := range handClusters {
		all = append(all, func() error { return do(ctx, c) })
	}
	return h.together(all...)
}

func (h *byHand) timed(part string, do func() error) error {
	start := time.Now()
	err := do()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[part] += time.Since(start)
	return err
}

func (h *byHand) kubeconfig(c handCluster) string {
	return filepath.Join(h.dir, c.Cluster+".kubeconfig")
}

func (h *byHand) apply(ctx context.Context, c handCluster, manifest string) error {
	doc, err := h.render(manifest, c)
	if err != nil {
		return err
	}
	// Webhooks of MetalLB and Istio answer shortly after their pods are ready.
	var last error
	for range 40 {
		if last = h.kubectl(ctx, c, doc, "apply", "-f", "-"); last == nil || ctx.Err() != nil {
			return last
		}
		time.Sleep(500 * time.Millisecond)
	}
	return last
}

func (h *byHand) kubectl(ctx context.Context, c handCluster, stdin []byte, args ...string) error {
	return h.command(ctx, stdin, "kubectl", append([]string{"--kubeconfig", h.kubeconfig(c)}, args...)...)
}

func (h *byHand) helm(ctx context.Context, c handCluster, release, namespace, chart, values string, more ...string) error {
	args := []string{
		"--kubeconfig", h.kubeconfig(c), "install", release, filepath.Join(h.set.Dir(), h.set.Charts[chart].Path),
		"-n", namespace, "--create-namespace", "--wait", "--timeout", "3m",
	}
	var doc []byte
	if values != "" {
		var err error
		if doc, err = h.render(values, c); err != nil {
			return err
		}
		args = append(args, "-f", "-")
	}
	return h.command(ctx, doc, "helm", append(args, more...)...)
}

func (h *byHand) render(name string, c handCluster) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		"repo": func(image string) string { return image[:strings.LastIndex(image, ":")] },
		"tag":  func(image string) string { return image[strings.LastIndex(image, ":")+1:] },
	}).ParseFS(manifests, "manifests/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Cluster": c.Cluster, "Network": c.Network, "Region": c.Region, "Pool": c.Pool,
		"PodSubnet": c.PodSubnet, "ServiceSubnet": c.ServiceSubnet, "HelloVersion": c.HelloVersion,
		"HelloImage": h.set.Images["helloworld-"+c.HelloVersion].Name, "SleepImage": h.set.Images["sleep"].Name,
		"Hub": h.set.IstioHub, "Tag": h.set.IstioTag, "PlainEnvoy": h.set.Source == artifacts.SourceAirgap,
		"MetalLBController": h.set.Images["metallb-controller"].Name, "MetalLBSpeaker": h.set.Images["metallb-speaker"].Name,
	})
	return out.Bytes(), err
}

func (h *byHand) command(ctx context.Context, stdin []byte, name string, args ...string) error {
	_, err := h.output(ctx, stdin, name, args...)
	return err
}

func (h *byHand) output(ctx context.Context, stdin []byte, name string, args ...string) ([]byte, error) {
	path := name
	if _, ok := h.set.Binaries[name]; ok {
		var err error
		if path, err = h.set.BinaryPath(name); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), h.docker...)
	cmd.Env = append(cmd.Env, "KIND_EXPERIMENTAL_DOCKER_NETWORK="+handNetwork, "KUBECONFIG="+filepath.Join(h.dir, "none"))
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}
