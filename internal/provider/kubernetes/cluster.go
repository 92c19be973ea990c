package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	// reachTimeout bounds the first call in a preview, where an answer of
	// "unreachable" costs only detail.
	reachTimeout = 5 * time.Second
	// startTimeout is how long a real operation waits for an API server that refuses
	// connections or says that it is not ready, as one does that has just been started.
	startTimeout = 30 * time.Second
	// failureTime is how long an answer of "unreachable" stands: every resource asks,
	// and each would wait.
	failureTime = 10 * time.Second
)

// errUnreachable is in the chain of every error that says that the cluster
// does not answer, in contrast to one that answered with a refusal.
var errUnreachable = errors.New("configured Kubernetes cluster is unreachable")

// cluster is one API server's clients, and what is known of its kinds.
type cluster struct {
	config  *rest.Config
	http    *http.Client
	dynamic dynamic.Interface
	disco   discovery.DiscoveryInterface
	known   error // why the cluster cannot be reached, when that is known beforehand
	proof   *proof

	mu       sync.Mutex
	reached  bool
	failed   map[bool]failure // by whether a preview asked
	mappings map[schema.GroupVersionKind]mapping
}

// failure is what the last call came to.
type failure struct {
	err error
	at  time.Time
}

// mapping is where a kind is served.
type mapping struct {
	resource   schema.GroupVersionResource
	namespaced bool
}

func unreachableCluster(reason error) *cluster {
	if reason == nil {
		reason = errors.New("no kubeconfig")
	}
	return &cluster{known: fmt.Errorf("%w: %w", errUnreachable, reason)}
}

func newCluster(cfg *rest.Config) (*cluster, error) {
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	c := &cluster{config: cfg, http: client, mappings: map[schema.GroupVersionKind]mapping{}, failed: map[bool]failure{}}
	if c.dynamic, err = dynamic.NewForConfigAndClient(cfg, client); err != nil {
		return nil, err
	}
	if c.disco, err = discovery.NewDiscoveryClientForConfigAndClient(cfg, client); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *cluster) close() {
	if c.http != nil {
		// http.Client's own method stops at the first of client-go's wrappers.
		utilnet.CloseIdleConnectionsFor(c.http.Transport)
	}
}

// reach returns nil once the API server has answered. A preview asks once; a
// real operation keeps asking while it starts.
func (c *cluster) reach(ctx context.Context, preview bool) error {
	if c.known != nil {
		return c.known
	}
	c.mu.Lock()
	reached, failed := c.reached, c.failed[preview]
	c.mu.Unlock()
	if reached {
		return nil
	}
	if failed.err != nil && time.Since(failed.at) < failureTime {
		return failed.err
	}
	limit := startTimeout
	if preview {
		limit = reachTimeout
	}
	var err error
	_ = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, limit, true, func(ctx context.Context) (bool, error) {
		err = c.ping(ctx)
		return err == nil || preview || !starting(err) || c.proof.proven(ctx), nil
	})
	if err == nil {
		err = ctx.Err() // it ended before the first call
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.reached = true
		return nil
	}
	why := fmt.Errorf("%w: %w", errUnreachable, err)
	if ctx.Err() == nil { // else it was the caller who gave up
		c.failed[preview] = failure{why, time.Now()}
	}
	return why
}

// starting reports whether an API server that was just started answers so.
func starting(err error) bool {
	return refusedConnection(err) || apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err)
}

func (c *cluster) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	// /version answers before the API server has read its roles, and everything else is
	// forbidden until then.
	err := c.disco.RESTClient().Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).Error()
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) {
		return nil // it answers; what is forbidden shows when it is asked for
	}
	return err
}

// mappingFor says where a kind is served. A kind is looked up with one call for
// its group and version, and only hits are kept: a kind that is missing now may
// exist a moment later, when its definition has been applied.
func (c *cluster) mappingFor(ctx context.Context, gvk schema.GroupVersionKind) (mapping, error) {
	if c.known != nil {
		return mapping{}, c.known
	}
	c.mu.Lock()
	m, ok := c.mappings[gvk]
	c.mu.Unlock()
	if ok {
		return m, nil
	}
	path := "/apis/" + gvk.GroupVersion().String()
	if gvk.Group == "" {
		path = "/api/" + gvk.Version
	}
	// Not by the discovery client's own methods, which take no context.
	list := &metav1.APIResourceList{}
	err := c.disco.RESTClient().Get().AbsPath(path).Do(ctx).Into(list)
	switch {
	case apierrors.IsNotFound(err):
		return mapping{}, noMatch(gvk)
	case err != nil:
		return mapping{}, fmt.Errorf("look up %s: %w", gvk, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range list.APIResources {
		if !strings.Contains(r.Name, "/") { // no subresource
			c.mappings[gvk.GroupVersion().WithKind(r.Kind)] = mapping{gvk.GroupVersion().WithResource(r.Name), r.Namespaced}
		}
	}
	if m, ok = c.mappings[gvk]; !ok {
		return mapping{}, noMatch(gvk)
	}
	return m, nil
}

func noMatch(gvk schema.GroupVersionKind) error {
	return &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
}

// forget drops a group's mappings, since its definition is going away.
func (c *cluster) forget(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.mappings, func(gvk schema.GroupVersionKind, _ mapping) bool { return gvk.Group == group })
}

// client returns the endpoint of the object's kind in its namespace. It sets
// the namespace that the kind's scope demands on obj: fallback where one is
// missing, none for a kind of the whole cluster.
func (c *cluster) client(ctx context.Context, obj *unstructured.Unstructured, fallback string) (dynamic.ResourceInterface, error) {
	m, err := c.mappingFor(ctx, obj.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	namespace := ""
	if m.namespaced {
		namespace = cmp.Or(obj.GetNamespace(), fallback)
	}
	if obj.GetNamespace() != namespace {
		obj.SetNamespace(namespace)
	}
	return c.dynamic.Resource(m.resource).Namespace(namespace), nil
}

func (c *cluster) get(ctx context.Context, obj *unstructured.Unstructured, fallback string) (*unstructured.Unstructured, error) {
	client, err := c.client(ctx, obj, fallback)
	if err != nil {
		return nil, err
	}
	return client.Get(ctx, obj.GetName(), metav1.GetOptions{})
}
