package istio

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/loadbalancer"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/component"
)

// ifNotPresent is the pull policy of every image: an airgap image is only in the nodes.
const ifNotPresent = "IfNotPresent"

// requests are small: the defaults of the charts are for production, and a lab runs
// several clusters on one machine.
func requests(cpu, memory string) pulumi.Map {
	return pulumi.Map{"requests": pulumi.Map{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)}}
}

func baseValues(args *ControlPlaneArgs) pulumi.Map {
	values := pulumi.Map{}
	if args.Remote != nil {
		values["profile"] = pulumi.String("remote")
	}
	return values
}

func istiodValues(args *ControlPlaneArgs, injected string) pulumi.Map {
	global := pulumi.Map{
		"hub":             pulumi.String(args.Artifacts.IstioHub),
		"tag":             pulumi.String(args.Artifacts.IstioTag),
		"imagePullPolicy": pulumi.String(ifNotPresent),
		"meshID":          pulumi.String(args.Mesh.ID),
		"multiCluster":    pulumi.Map{"clusterName": pulumi.String(args.Mesh.Cluster)},
		"network":         pulumi.String(args.Mesh.Network),
		"proxy":           pulumi.Map{"resources": requests("10m", "64Mi")},
		// With one replica, a budget would only block a drain.
		"defaultPodDisruptionBudget": pulumi.Map{"enabled": pulumi.Bool(false)},
	}
	values := pulumi.Map{
		"global":           global,
		"autoscaleEnabled": pulumi.Bool(false),
		"resources":        requests("50m", "128Mi"),
		// istiod sets this policy itself when it is ready. Any other value would be a
		// difference in each later upgrade.
		"base": pulumi.Map{"validationFailurePolicy": pulumi.String("Fail")},
		// A running istiod reads what it injects only at the kubelet's next sync.
		"podAnnotations": component.PodAnnotations(injected, false),
	}
	if args.ServesRemotes {
		global["externalIstiod"] = pulumi.Bool(true)
	}
	if args.Remote != nil {
		values["profile"] = pulumi.String("remote")
		values["istiodRemote"] = pulumi.Map{
			"injectionPath": pulumi.Sprintf("/inject/cluster/%s/net/%s", args.Mesh.Cluster, args.Mesh.Network),
		}
		global["configCluster"] = pulumi.Bool(true)
		global["remotePilotAddress"] = pulumi.String(args.Remote.PilotAddress)
	}
	if args.Artifacts.Pinned() {
		byDigest(values, global, args.Artifacts)
	}
	if args.Artifacts.Source == artifacts.SourceAirgap {
		plainEnvoy(values)
	}
	return values
}

// byDigest sets full image names: hub and tag cannot have two digests. istiod uses the
// proxy's image for every sidecar and gateway that it injects.
func byDigest(values, global pulumi.Map, set *artifacts.Set) {
	proxy := pulumi.String(set.Images["proxyv2"].Name)
	values["image"] = pulumi.String(set.Images["pilot"].Name)
	global["proxy"].(pulumi.Map)["image"] = proxy
	global["proxy_init"] = pulumi.Map{"image": proxy}
}

// plainEnvoy keeps istiod from sending filters that only Istio's build of Envoy has. The
// airgap kit's upstream Envoy rejects them, and a gateway whose configuration is
// rejected never becomes ready. All three settings are needed. The mesh then lacks
// Istio's request metrics, peer metadata in them, and the detection of HTTP on ports
// that do not declare it.
func plainEnvoy(values pulumi.Map) {
	values["telemetry"] = pulumi.Map{"enabled": pulumi.Bool(false)}
	values["env"] = pulumi.Map{
		"PILOT_ENABLE_METADATA_EXCHANGE": pulumi.String("false"),
		"PILOT_ENABLE_ALPN_FILTER":       pulumi.String("false"),
	}
}

func gatewayValues(args *GatewayArgs) pulumi.Map {
	values := pulumi.Map{
		// The chart's placeholder image would have the policy Always otherwise.
		"imagePullPolicy": pulumi.String(ifNotPresent),
		"autoscaling":     pulumi.Map{"enabled": pulumi.Bool(false)},
		"resources":       requests("10m", "64Mi"),
		// A gateway has no startup probe, and by default the first failure delays it by
		// 15 seconds. Half a minute of failures makes it unready, by default a minute.
		"readinessProbe": pulumi.Map{
			"httpGet":       pulumi.Map{"path": pulumi.String("/healthz/ready"), "port": pulumi.Int(15021)},
			"periodSeconds": pulumi.Int(1), "timeoutSeconds": pulumi.Int(3), "failureThreshold": pulumi.Int(30),
		},
		"podAnnotations": component.PodAnnotations(args.Injected, true),
		"service": pulumi.Map{
			"annotations": pulumi.Map{loadbalancer.AddressAnnotation: pulumi.String(args.Address)},
		},
	}
	if args.NetworkGateway != "" {
		values["networkGateway"] = pulumi.String(args.NetworkGateway)
	}
	return values
}
