package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// namespacesWithin bounds the deletion of namespaces of one cluster.
const namespacesWithin = time.Minute

// DeleteNamespaces deletes the namespaces with the labels from all clusters, by name,
// at once and waits until they are gone. It returns what they bear of another label.
func DeleteNamespaces(ctx context.Context, clusters map[string]*rest.Config, with map[string]string, label string) ([]string, error) {
	var mu sync.Mutex
	var found []string
	var errs []error
	var wg sync.WaitGroup
	for name, config := range clusters {
		wg.Go(func() {
			values, err := deleteNamespacesOf(ctx, config, with, label)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, values...)
			if err != nil {
				errs = append(errs, fmt.Errorf("namespaces of %s: %w", name, err))
			}
		})
	}
	wg.Wait()
	return found, errors.Join(errs...)
}

func deleteNamespacesOf(ctx context.Context, config *rest.Config, with map[string]string, label string) ([]string, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, namespacesWithin)
	defer cancel()
	selector := metav1.ListOptions{LabelSelector: labels.SelectorFromSet(with).String()}
	list, err := client.CoreV1().Namespaces().List(ctx, selector)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, ns := range list.Items {
		if err := client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return values, err
		}
		values = append(values, ns.Labels[label])
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	last := ""
	err = wait.PollUntilContextCancel(ctx, 200*time.Millisecond, false, func(ctx context.Context) (bool, error) {
		list, err := client.CoreV1().Namespaces().List(ctx, selector)
		if err != nil || len(list.Items) == 0 {
			return err == nil, err
		}
		last = list.Items[0].Name
		return false, nil
	})
	if err != nil {
		return values, fmt.Errorf("%s is still being deleted: %w", last, err)
	}
	return values, nil
}
