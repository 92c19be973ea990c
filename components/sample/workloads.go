package sample

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

// Names and ports of the sample, as in Istio's own samples.
const (
	Service     = "helloworld"
	Port        = 5000
	Path        = "/hello"
	ClientLabel = "app=" + client
	LoadLabel   = "app=" + generator

	client       = "sleep"
	generator    = "load"
	outsiderName = "outsider"
	healthPath   = "/health"
)

// workload is one deployment of the sample. Its image is first a role of the artifacts,
// then the name of the role's image.
type workload struct {
	name, app, version, image string
	port                      int
	command                   []string
	// noProxy disables injection; onNode uses the host network.
	noProxy, onNode bool
	// injected is HelloWorldArgs.Injected.
	injected string
}

func helloworld(version string) workload {
	return workload{name: Service + "-" + version, app: Service, version: version, image: Service + "-" + version, port: Port}
}

// sleeper is a pod for running commands in.
func sleeper(name, image string) workload {
	return workload{name: name, app: name, image: image, command: []string{"/bin/sleep", "infinity"}}
}

// outsider is a client outside the mesh.
func outsider(name string, onNode bool) workload {
	w := sleeper(name, "sleep")
	w.noProxy, w.onNode = true, onNode
	return w
}

func (w workload) labels() pulumi.StringMap {
	labels := pulumi.StringMap{"app": pulumi.String(w.app)}
	if w.version != "" {
		labels["version"] = pulumi.String(w.version)
	}
	return labels
}

// podMetadata has the labels that select the pods, and what Istio reads.
func (w workload) podMetadata() metav1.ObjectMetaArgs {
	labels := w.labels()
	if w.noProxy {
		labels["sidecar.istio.io/inject"] = pulumi.String("false")
		return metav1.ObjectMetaArgs{Labels: labels}
	}
	m := metav1.ObjectMetaArgs{Labels: labels}
	if annotations := component.PodAnnotations(w.injected, w.name == generator); len(annotations) > 0 {
		m.Annotations = annotations
	}
	return m
}

func (w workload) pod() corev1.PodSpecArgs {
	spec := corev1.PodSpecArgs{
		Containers: corev1.ContainerArray{w.container()},
		// The sample has no work to finish.
		TerminationGracePeriodSeconds: pulumi.Int(1),
	}
	if w.onNode {
		spec.HostNetwork = pulumi.Bool(true)
		spec.DnsPolicy = pulumi.String("ClusterFirstWithHostNet")
	}
	return spec
}

func (w workload) deployment(ctx *pulumi.Context, name, namespace string, opts ...pulumi.ResourceOption) (*appsv1.Deployment, error) {
	return appsv1.NewDeployment(ctx, fmt.Sprintf("%s-%s", name, w.name), &appsv1.DeploymentArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(w.name), Namespace: pulumi.String(namespace), Labels: w.labels(),
		},
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(1),
			Selector: metav1.LabelSelectorArgs{MatchLabels: w.labels()},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: w.podMetadata(),
				Spec:     w.pod(),
			},
		},
	}, opts...)
}

func (w workload) container() corev1.ContainerArgs {
	c := corev1.ContainerArgs{
		Name: pulumi.String(w.app), Image: pulumi.String(w.image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Resources: corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{
			"cpu": pulumi.String("10m"), "memory": pulumi.String("16Mi"),
		}},
	}
	if len(w.command) > 0 {
		c.Command = pulumi.ToStringArray(w.command)
	}
	if w.port > 0 {
		c.Ports = corev1.ContainerPortArray{corev1.ContainerPortArgs{ContainerPort: pulumi.Int(w.port)}}
		c.ReadinessProbe = corev1.ProbeArgs{
			HttpGet:       corev1.HTTPGetActionArgs{Path: pulumi.String(healthPath), Port: pulumi.Int(w.port)},
			PeriodSeconds: pulumi.Int(2),
		}
	}
	return c
}

// service is a ClusterIP service for all deployments of an app. Istio reads the protocol
// from the port's name. Pulumi does not wait for a service that has no pods in the
// cluster.
func service(ctx *pulumi.Context, name, namespace, app string, port int, pods bool, opts ...pulumi.ResourceOption) (*corev1.Service, error) {
	labels := pulumi.StringMap{"app": pulumi.String(app), "service": pulumi.String(app)}
	metadata := metav1.ObjectMetaArgs{Name: pulumi.String(app), Namespace: pulumi.String(namespace), Labels: labels}
	if !pods {
		metadata.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
	}
	return corev1.NewService(ctx, fmt.Sprintf("%s-%s-service", name, app), &corev1.ServiceArgs{
		Metadata: metadata,
		Spec: corev1.ServiceSpecArgs{
			Selector: pulumi.StringMap{"app": pulumi.String(app)},
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String("http"), Port: pulumi.Int(port), TargetPort: pulumi.Int(port),
			}},
		},
	}, opts...)
}
