package kubernetes

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// immutableFields are the fields whose change the official provider answers
// with a replacement, without asking the API server.
var immutableFields = map[schema.GroupKind][]string{
	{Group: "apps", Kind: "DaemonSet"}:                               {"spec.selector"},
	{Group: "apps", Kind: "Deployment"}:                              {"spec.selector"},
	{Group: "apps", Kind: "StatefulSet"}:                             {"spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"},
	{Group: "batch", Kind: "Job"}:                                    {"spec.completions", "spec.parallelism", "spec.selector", "spec.template"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: {"roleRef"},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        {"roleRef"},
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                  {"parameters", "provisioner"},
	{Kind: "ConfigMap"}:                                              {"binaryData", "data"},
	{Kind: "PersistentVolumeClaim"}:                                  {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	{Kind: "ResourceQuota"}:                                          {"spec.scopes"},
	{Kind: "Secret"}:                                                 {"data", "stringData", "type"},
	{Kind: "Service"}:                                                {"spec.clusterIP"},
	{Kind: "PersistentVolume"}: {
		"spec.awsElasticBlockStore", "spec.azureDisk", "spec.azureFile", "spec.cephfs", "spec.cinder", "spec.csi", "spec.fc", "spec.flexVolume", "spec.flocker",
		"spec.gcePersistentDisk", "spec.glusterfs", "spec.hostPath", "spec.iscsi", "spec.local", "spec.nfs", "spec.photonPersistentDisk", "spec.portworxVolume",
		"spec.quobyte", "spec.rbd", "spec.scaleIO", "spec.storageos", "spec.vsphereVolume",
	},
	// Of a Pod everything but what the API server lets change.
	{Kind: "Pod"}: {
		"spec.affinity", "spec.automountServiceAccountToken", "spec.containers", "spec.dnsConfig", "spec.dnsPolicy", "spec.enableServiceLinks", "spec.hostAliases",
		"spec.hostIPC", "spec.hostNetwork", "spec.hostPID", "spec.hostname", "spec.imagePullSecrets", "spec.initContainers", "spec.nodeName", "spec.nodeSelector",
		"spec.overhead", "spec.preemptionPolicy", "spec.priority", "spec.priorityClassName", "spec.readinessGates", "spec.restartPolicy", "spec.runtimeClassName",
		"spec.schedulerName", "spec.securityContext", "spec.serviceAccount", "spec.serviceAccountName", "spec.shareProcessNamespace", "spec.subdomain",
		"spec.terminationGracePeriodSeconds", "spec.volumes",
	},
}

// forceNew returns the paths below which a change of obj replaces it.
func forceNew(conf config, obj *unstructured.Unstructured, patch bool) []string {
	fields := []string{"metadata.name", "metadata.namespace", "kind"}
	if patch {
		return fields // it changes an object of someone else's, in place
	}
	kind := obj.GroupVersionKind().GroupKind()
	sealed, _ := obj.Object["immutable"].(bool)
	switch {
	case kind == schema.GroupKind{Kind: "ConfigMap"} && conf.configMapMutable && !sealed,
		kind == schema.GroupKind{Kind: "Secret"} && conf.secretMutable && !sealed:
		if kind.Kind == "Secret" {
			fields = append(fields, "type") // the API server never lets it change
		}
		return fields
	}
	return append(fields, immutableFields[kind]...)
}
