package automation

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
)

// namespacesWithin bounds the deletion of namespaces of one cluster.
const namespacesWithin = time.Minute

// deleteNamespaces deletes the namespaces with the labels from all clusters at once
// and waits until they are gone. It returns their scenarios.
func deleteNamespaces(ctx context.Context, o *Outputs, with map[string]string) ([]string, error) {
	var mu sync.Mutex
	var found []string
	var errs []error
	var wg sync.WaitGroup
	for _, c := range o.Clusters {
		wg.Go(func() {
			scenarios, err := deleteNamespacesOf(ctx, c, with)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, scenarios...)
			if err != nil {
				errs = append(errs, fmt.Errorf("namespaces of %s: %w", c.Name, err))
			}
		})
	}
	wg.Wait()
	return found, errors.Join(errs...)
}

func deleteNamespacesOf(ctx context.Context, c Cluster, with map[string]string) ([]string, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
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
	var scenarios []string
	for _, ns := range list.Items {
		if err := client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return scenarios, err
		}
		scenarios = append(scenarios, ns.Labels[scenarioLabel])
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
		return scenarios, fmt.Errorf("%s is still being deleted: %w", last, err)
	}
	return scenarios, nil
}
