package shop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/meshwright/meshwright/automation/labtest"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/verify"
)

// TestShopAcrossClusters is a team's test: it creates a mesh in one line, deploys the
// service, and sends a request from one cluster that the other cluster answers.
func TestShopAcrossClusters(t *testing.T) {
	live(t)
	lab := labtest.Start(t)
	lab.Verify(verify.Options{})
	client := kubernetes.NewForConfigOrDie(lab.Config("cluster1"))

	// A team builds an image and loads it with `meshwright load IMAGE`. This example
	// uses the sample's image, which every node has.
	hello, err := client.AppsV1().Deployments(lab.Sample.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=helloworld"})
	if err != nil || len(hello.Items) == 0 {
		t.Fatalf("the sample's deployments: %v, %v", hello, err)
	}
	image := hello.Items[0].Spec.Template.Spec.Containers[0].Image
	if err := Deploy(t.Context(), lab.Configs(), "cluster2", image); err != nil {
		t.Fatal(err)
	}

	customers, err := client.CoreV1().Pods(lab.Sample.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: lab.Sample.ClientLabel})
	if err != nil || len(customers.Items) == 0 {
		t.Fatalf("the sample's clients: %v, %v", customers, err)
	}
	cluster1, err := mesh.NewClient(lab.Config("cluster1"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster1.Close()
	url := fmt.Sprintf("http://%s.%s:%d/hello", Bakery, Namespace, Port)
	var said string
	for ctx, cancel := context.WithTimeout(t.Context(), time.Minute); ; {
		defer cancel()
		out, err := cluster1.Exec(ctx, mesh.Ref(&customers.Items[0]), "", []string{"curl", "-sS", "--max-time", "5", url})
		said = string(out.Stdout) + string(out.Stderr)
		if err == nil && strings.Contains(said, "version: rye") {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no bread from cluster2: %v, %s", err, said)
		case <-time.After(time.Second):
		}
	}
	t.Logf("a customer in cluster1 was served from cluster2: %s", strings.TrimSpace(said))
}

// TestOpen needs no cluster: the Service is in every cluster, the pods are in one.
func TestOpen(t *testing.T) {
	for name, bakes := range map[string]bool{"bakes": true, "sells only": false} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			if err := open(t.Context(), client, bakes, "bread:1"); err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			services, err := client.CoreV1().Services(Namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got["services"] = len(services.Items)
			deployments, err := client.AppsV1().Deployments(Namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got["deployments"] = len(deployments.Items)
			want := map[string]int{"services": 1, "deployments": map[bool]int{true: 1}[bakes]}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v: %s", slices.Sorted(maps.Keys(got)), diff)
			}
		})
	}
}
