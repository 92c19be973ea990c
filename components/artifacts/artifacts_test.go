package artifacts_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/components/istio"
	"github.com/meshwright/meshwright/components/loadbalancer"
	"github.com/meshwright/meshwright/components/sample"
)

// engine takes whatever is registered.
type engine struct{}

func (engine) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, errors.New("the components call no function")
}

func (engine) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name + "-id", args.Inputs, nil
}

// TestWhatIsMissingIsNamed: a component that is given no artifacts, or too few, says
// so; with the official ones it is made.
func TestWhatIsMissingIsNamed(t *testing.T) {
	for name, component := range map[string]struct {
		make  func(*pulumi.Context, *artifacts.Set) error
		needs []string // roles
	}{
		"control plane": {func(ctx *pulumi.Context, set *artifacts.Set) error {
			_, err := istio.NewControlPlane(ctx, "c", &istio.ControlPlaneArgs{Artifacts: set})
			return err
		}, []string{"base", "istiod"}},
		"gateway": {func(ctx *pulumi.Context, set *artifacts.Set) error {
			_, err := istio.NewGateway(ctx, "c", &istio.GatewayArgs{Name: istio.IngressGateway, Artifacts: set})
			return err
		}, []string{"gateway"}},
		"load balancer": {func(ctx *pulumi.Context, set *artifacts.Set) error {
			_, err := loadbalancer.NewMetalLB(ctx, "c", &loadbalancer.MetalLBArgs{Artifacts: set})
			return err
		}, []string{"metallb", "metallb-controller", "metallb-speaker"}},
		"sample": {func(ctx *pulumi.Context, set *artifacts.Set) error {
			_, err := sample.NewHelloWorld(ctx, "c", &sample.HelloWorldArgs{Versions: []string{"v1"}, Artifacts: set})
			return err
		}, []string{"sleep", "helloworld-v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			try := func(set *artifacts.Set) error {
				return pulumi.RunErr(func(ctx *pulumi.Context) error { return component.make(ctx, set) },
					pulumi.WithMocks("outside", "dev", engine{}))
			}
			if err := try(artifacts.Registry()); err != nil {
				t.Errorf("with the official artifacts: %v", err)
			}
			if err := try(nil); err == nil || !strings.Contains(err.Error(), "no artifacts are given") {
				t.Errorf("without artifacts: %v", err)
			}
			for _, role := range component.needs {
				set := artifacts.Registry()
				delete(set.Charts, role)
				delete(set.Images, role)
				if err := try(set); err == nil || !strings.Contains(err.Error(), " "+role+";") {
					t.Errorf("without %s: %v", role, err)
				}
			}
		})
	}
}
