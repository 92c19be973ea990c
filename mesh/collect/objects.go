package collect

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kinds of Kubernetes' own that tell about a mesh. Secrets are not among them;
// see secretNames.
var kinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "nodes"},
	{Version: "v1", Resource: "namespaces"},
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "events"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
}

// custom tells which API groups are collected whole.
func custom(group string) bool {
	return strings.HasSuffix(group, ".istio.io") || group == "metallb.io" || group == "gateway.networking.k8s.io"
}

// objects collects the objects of every kind, one file per kind.
func (c *cluster) objects(ctx context.Context) {
	list := kinds
	resources, err := c.Kubernetes.Discovery().ServerPreferredResources()
	if err != nil {
		c.missing(c.dir+"/objects", fmt.Errorf("not all API groups answer: %w", err))
	}
	for _, group := range resources {
		gv, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil || !custom(gv.Group) {
			continue
		}
		for _, r := range group.APIResources {
			if !strings.Contains(r.Name, "/") {
				list = append(list, gv.WithResource(r.Name))
			}
		}
	}
	for _, kind := range list {
		c.do(func() { c.kind(ctx, kind) })
	}
	c.do(func() { c.secretNames(ctx) })
}

func (c *cluster) kind(ctx context.Context, kind schema.GroupVersionResource) {
	name := "objects/" + kind.Resource
	if kind.Group != "" {
		name += "." + kind.Group
		if custom(kind.Group) {
			name += "." + kind.Version
		}
	}
	list, err := c.Dynamic.Resource(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		c.missing(c.dir+"/"+name, err)
		return
	}
	if len(list.Items) == 0 {
		return
	}
	items := make([]any, len(list.Items))
	for i := range list.Items {
		items[i] = tidy(list.Items[i].Object)
	}
	c.addYAML(name+".yaml", map[string]any{"kind": list.GetKind(), "items": items})
}

// tidy drops what nobody reads, and the values of environment variables whose
// names promise a secret.
func tidy(object map[string]any) map[string]any {
	if meta, ok := object["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		if notes, ok := meta["annotations"].(map[string]any); ok {
			delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	hideEnv(object)
	return object
}

func hideEnv(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			hideEnv(e)
		}
	case map[string]any:
		name, isName := v["name"].(string)
		if _, hasValue := v["value"].(string); isName && hasValue && promisesSecret(name) {
			v["value"] = mask("value")
		}
		for _, e := range v {
			hideEnv(e)
		}
	}
}

func promisesSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"PASSWORD", "PASSPHRASE", "SECRET", "TOKEN", "PRIVATE_KEY", "API_KEY", "CREDENTIAL"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// secretNames lists secrets by their metadata alone; the API server does not
// even send the data.
func (c *cluster) secretNames(ctx context.Context) {
	var list metav1.PartialObjectMetadataList
	err := c.Kubernetes.CoreV1().RESTClient().Get().Resource("secrets").
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").
		Do(ctx).Into(&list)
	if err != nil {
		c.missing(c.dir+"/objects/secrets", err)
		return
	}
	type entry struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Created   metav1.Time       `json:"created"`
		Labels    map[string]string `json:"labels,omitempty"`
	}
	entries := []entry{}
	for _, s := range list.Items {
		entries = append(entries, entry{s.Namespace, s.Name, s.CreationTimestamp, s.Labels})
	}
	c.addYAML("objects/secrets-names-only.yaml", entries)
}
