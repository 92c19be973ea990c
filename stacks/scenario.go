package stacks

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/components/sample"
	"github.com/meshwright/meshwright/mesh/topology"
)

// Scenario is a second sample in a namespace of its own, which a timed check measures.
// It always has a load generator.
type Scenario struct {
	Name      string
	Namespace string
	// Labels of the namespaces, which identify what a crashed run left.
	Labels map[string]string
	// Host is the sample's host on the ingress gateways.
	Host      string
	Traffic   topology.Rule
	MTLS      string
	Outsiders bool
}

// ScenarioProgram deploys a scenario on the clusters of a lab that is up, with the
// lab's versions and primaries. All its resources are deleted with the namespaces.
func ScenarioProgram(set *artifacts.Set, clusters []ClusterOutputs, s Scenario) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for _, c := range clusters {
			if err := s.deploy(ctx, set, c); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		return nil
	}
}

func (s Scenario) deploy(ctx *pulumi.Context, set *artifacts.Set, c ClusterOutputs) error {
	provider, err := kubernetes.NewProvider(ctx, c.Name+"-kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig: pulumi.ToSecret(pulumi.String(c.Kubeconfig)).(pulumi.StringOutput),
		Context:    pulumi.String(c.Name),
	})
	if err != nil {
		return err
	}
	inside := pulumi.Provider(provider)
	app, err := sample.NewHelloWorld(ctx, c.Name+"-sample", &sample.HelloWorldArgs{
		Namespace: s.Namespace, NamespaceLabels: s.Labels, Versions: c.HelloWorld, Artifacts: set,
		Load: true, Outsiders: s.Outsiders, GoesWithNamespace: true,
	}, inside)
	if err != nil || !c.Primary() {
		return err
	}
	_, err = sample.NewRoutes(ctx, c.Name+"-routes", &sample.RoutesArgs{
		Namespace: s.Namespace, Host: s.Host, Traffic: s.Traffic, MTLS: s.MTLS,
	}, inside, after(app.Namespace), pulumi.DeletedWith(app.Namespace))
	return err
}
