package cluster

// kubeadmPatches trim a node for a lab that starts often and lives briefly. kind
// applies a patch to the documents whose apiVersion and kind it names, and leaves
// out those that are not there: v1beta3 is what kind writes up to Kubernetes 1.35.
//
//   - etcd does not flush to disk: a crash of the machine may lose the cluster, a
//     restart of its nodes does not. (A data directory in memory would be faster
//     still, and would not survive the restart.)
//   - The controller manager and the scheduler elect no leader: there is one of each.
//   - The kubelet accepts cgroup v1, which Kubernetes 1.35 refuses by default.
//   - It looks after every pod each 5 s and not each minute. A secret that changes
//     under a running pod shows there no sooner, and MetalLB's controller waits for
//     one before it is ready: the certificate that it has just made for its webhook.
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
