package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// helmGetter gives Helm clients of our cluster. Its discovery lives as long as
// one operation, so that a chart sees the kinds that were just defined.
type helmGetter struct {
	config    *rest.Config
	namespace string
	disco     discovery.CachedDiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func (c *cluster) helmGetter(namespace string) *helmGetter {
	disco := memory.NewMemCacheClient(c.disco)
	return &helmGetter{config: c.config, namespace: namespace, disco: disco, mapper: restmapper.NewDeferredDiscoveryRESTMapper(disco)}
}

func (g *helmGetter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }
func (g *helmGetter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.disco, nil
}
func (g *helmGetter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }
func (g *helmGetter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	// Helm asks it for the namespace only.
	return clientcmd.NewDefaultClientConfig(*api.NewConfig(), &clientcmd.ConfigOverrides{Context: api.Context{Namespace: g.namespace}})
}

// helmAction returns Helm's configuration for one operation in a namespace.
// progress gets what the operation waits for.
func (p *Provider) helmAction(ctx context.Context, conf config, c *cluster, namespace string, progress func(string)) (*action.Configuration, error) {
	cfg := &action.Configuration{}
	if err := cfg.Init(c.helmGetter(namespace), namespace, conf.helmDriver, p.helmLog); err != nil {
		return nil, err
	}
	client := cfg.KubeClient.(*kube.Client)
	client.Namespace = namespace
	cfg.KubeClient = &helmKube{Client: client, ctx: ctx, cluster: c, progress: progress}
	return cfg, nil
}

// helmKube is Helm's client with waits of our own: by watches, all objects at
// once, ended by the operation's context, and with evidence in their errors.
type helmKube struct {
	*kube.Client
	ctx      context.Context //nolint:containedctx // Helm's interface passes none
	cluster  *cluster
	progress func(string)
}

// helmWaits are the kinds that a release waits for, as Helm does.
var helmWaits = map[schema.GroupKind]bool{
	groupKind("apps", "DaemonSet"): true, groupKind("apps", "Deployment"): true, groupKind("apps", "ReplicaSet"): true, groupKind("apps", "StatefulSet"): true,
	groupKind("apiextensions.k8s.io", "CustomResourceDefinition"): true, groupKind("", "PersistentVolumeClaim"): true, groupKind("", "Pod"): true,
	groupKind("", "ReplicationController"): true, groupKind("", "Service"): true,
}

// Build leaves validation to the API server. Asked to validate, Helm's client
// downloads the OpenAPI document of every group, a quarter of a CPU second each,
// to learn that the API server supports validation, and then sends it no request
// to validate: the result is the same.
func (k *helmKube) Build(reader io.Reader, _ bool) (kube.ResourceList, error) {
	return k.Client.Build(reader, false)
}

// Update is Helm's, and restores what it does not compare with the cluster. The
// objects of target are the manifest's until Helm has refreshed them.
func (k *helmKube) Update(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	wanted := map[*resource.Info]*unstructured.Unstructured{}
	for _, info := range target {
		obj, ok := info.Object.(*unstructured.Unstructured)
		if ok && !scheme.Scheme.Recognizes(info.Mapping.GroupVersionKind) { // by which Helm knows kinds, too
			wanted[info] = &unstructured.Unstructured{Object: jsonTree(obj.Object)}
		}
	}
	result, err := k.Client.Update(original, target, force)
	for info, want := range wanted {
		if err == nil {
			err = k.restore(info, want)
		}
	}
	return result, err
}

func (k *helmKube) restore(info *resource.Info, want *unstructured.Unstructured) error {
	live, err := k.endpoint(info).Get(k.ctx, info.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	patch := restorePatch(want, live)
	if patch == nil {
		return nil
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = k.endpoint(info).Patch(k.ctx, info.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: kube.ManagedFieldsManager})
	return err
}

// Wait and WaitWithJobs wait until the objects are ready.
func (k *helmKube) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return k.wait(resources, timeout, false)
}

func (k *helmKube) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return k.wait(resources, timeout, true)
}

func (k *helmKube) wait(resources kube.ResourceList, timeout time.Duration, jobs bool) error {
	return k.all(resources, timeout, func(ctx context.Context, info *resource.Info) error {
		kind := info.Mapping.GroupVersionKind.GroupKind()
		if !helmWaits[kind] && (!jobs || kind != groupKind("batch", "Job")) {
			return nil
		}
		who := fmt.Sprintf("%s %q", kind.Kind, idOf(info.Namespace, info.Name))
		if kind == groupKind("", "PersistentVolumeClaim") {
			if claim, err := k.endpoint(info).Get(ctx, info.Name, metav1.GetOptions{}); err == nil && k.cluster.bindsLater(ctx, claim) {
				return nil
			}
		}
		seen, stop := k.cluster.narrate(ctx, func(state string) {
			if k.progress != nil {
				k.progress(who + ": " + state)
			}
		})
		defer stop()
		return k.await(ctx, info, readyRules[kind], seen)
	})
}

// WatchUntilReady waits for the end of a hook's Jobs and Pods.
func (k *helmKube) WatchUntilReady(resources kube.ResourceList, timeout time.Duration) error {
	return k.all(resources, timeout, func(ctx context.Context, info *resource.Info) error {
		switch info.Mapping.GroupVersionKind.GroupKind() {
		case groupKind("batch", "Job"):
			return k.await(ctx, info, jobReady, nil)
		case groupKind("", "Pod"):
			return k.await(ctx, info, phaseReady("Succeeded"), nil)
		}
		return nil
	})
}

func (k *helmKube) await(ctx context.Context, info *resource.Info, ready func(*unstructured.Unstructured) readiness, seen func(*unstructured.Unstructured, readiness)) error {
	last, err := await(ctx, k.endpoint(info), info.Name, ready, seen)
	if err != nil {
		return k.cluster.explain(orEmpty(last, info), err)
	}
	return nil
}

// WaitForDelete waits until all of the objects are gone.
func (k *helmKube) WaitForDelete(resources kube.ResourceList, timeout time.Duration) error {
	return k.all(resources, timeout, func(ctx context.Context, info *resource.Info) error {
		return k.cluster.awaitGone(ctx, orEmpty(nil, info))
	})
}

// orEmpty returns obj, or what is known of it without reading it.
func orEmpty(obj *unstructured.Unstructured, info *resource.Info) *unstructured.Unstructured {
	if obj == nil {
		return identity(info.Mapping.GroupVersionKind, info.Namespace, info.Name)
	}
	return obj
}

func (k *helmKube) endpoint(info *resource.Info) dynamic.ResourceInterface {
	r := k.cluster.dynamic.Resource(info.Mapping.Resource)
	if info.Namespaced() {
		return r.Namespace(info.Namespace)
	}
	return r
}

// all runs do for every object at once and joins the errors in order.
func (k *helmKube) all(resources kube.ResourceList, timeout time.Duration, do func(context.Context, *resource.Info) error) error {
	ctx, cancel := context.WithTimeout(k.ctx, timeout)
	defer cancel()
	errs := make([]error, len(resources))
	var wg sync.WaitGroup
	for i, info := range resources {
		wg.Go(func() { errs[i] = do(ctx, info) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// isNoMatch says whether a kind is not defined, in our words or in Helm's.
func isNoMatch(err error) bool {
	return meta.IsNoMatchError(err) || strings.Contains(err.Error(), "no matches for kind")
}
