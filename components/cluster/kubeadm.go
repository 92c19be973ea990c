package cluster

// kubeadmPatches configure nodes for a lab that starts often and runs briefly. kind
// applies a patch to the document with the same apiVersion and kind, and ignores it if
// there is none. kind writes v1beta3 up to Kubernetes 1.35.
//
//   - etcd does not flush to disk. A crash of the machine may lose the cluster; a
//     restart of its nodes does not. (A data directory in memory would be faster, but
//     would not survive the restart.)
//   - The controller manager and the scheduler elect no leader: there is one of each.
//   - The kubelet accepts cgroup v1, which Kubernetes 1.35 rejects by default.
//   - The kubelet syncs every pod each 5 s instead of each minute. A changed secret
//     reaches a running pod only at a sync, and MetalLB's controller is not ready
//     before it has read the certificate that it created for its webhook.
var kubeadmPatches = []string{
	`apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
etcd:
  local:
    extraArgs:
      unsafe-no-fsync: "true"
controllerManager:
  extraArgs:
    leader-elect: "false"
scheduler:
  extraArgs:
    leader-elect: "false"
`,
	`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
syncFrequency: 5s
`,
}
