// Package shop is an example of a team's service in a multi-cluster mesh: the bakery's
// Service is in every cluster, its pods are in one.
//
// Its tests create the mesh; see shop_test.go.
package shop

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Names of the shop's objects.
const (
	Namespace = "shop"
	Bakery    = "bakery"
	Port      = 5000
)

// Deploy creates the bakery's Service in every cluster and its pods in one.
func Deploy(ctx context.Context, clusters map[string]*rest.Config, bakesIn, image string) error {
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		client, err := kubernetes.NewForConfig(clusters[name])
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		if err := open(ctx, client, name == bakesIn, image); err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return nil
}

func open(ctx context.Context, client kubernetes.Interface, bakes bool, image string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: Namespace, Labels: map[string]string{"istio-injection": "enabled"},
	}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	labels := map[string]string{"app": Bakery}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: Bakery, Labels: labels},
		Spec: corev1.ServiceSpec{
			Selector: labels,
			// Istio reads the protocol from the port's name.
			Ports: []corev1.ServicePort{{Name: "http", Port: Port, TargetPort: intstr.FromInt32(Port)}},
		},
	}
	if _, err := client.CoreV1().Services(Namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return err
	}
	if !bakes {
		return nil
	}
	replicas := int32(1)
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: Bakery, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: Bakery, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
					Env:   []corev1.EnvVar{{Name: "SERVICE_VERSION", Value: "rye"}},
					Ports: []corev1.ContainerPort{{ContainerPort: Port}},
				}}},
			},
		},
	}
	_, err := client.AppsV1().Deployments(Namespace).Create(ctx, deployment, metav1.CreateOptions{})
	return err
}
