package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/components/cluster"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/stacks/plan"
)

// Config is a stack's configuration, and Plan the plan of its lab.
type (
	Config = plan.Config
	Plan   = plan.Plan
)

// Program deploys the stack that is selected, from the artifacts that its
// configuration names.
func Program(ctx *pulumi.Context) error { return run(ctx, nil) }

// ProgramWith is Program with given artifacts, whatever the configuration names.
func ProgramWith(set *artifacts.Set) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error { return run(ctx, set) }
}

func run(ctx *pulumi.Context, set *artifacts.Set) error {
	c, err := Load(ctx)
	if err != nil {
		return err
	}
	own, held, err := addresses(ctx, c)
	if err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	plan, err := NewPlan(ctx.Stack(), c, held)
	if err != nil {
		return err
	}
	if set == nil {
		if set, err = artifactsOf(ctx, plan); err != nil {
			return err
		}
	}
	return deploy(ctx, plan, set, own)
}

// Load reads the stack's configuration and validates it. An error contains the key and
// the remedy.
func Load(ctx *pulumi.Context) (*Config, error) {
	if err := checkKeys(os.Getenv(pulumi.EnvConfig)); err != nil {
		return nil, err
	}
	c, err := plan.Decode(func(key string) (string, bool) {
		value, err := config.Try(ctx, plan.Namespace+":"+key)
		return value, err == nil
	})
	if err != nil {
		return nil, err
	}
	return c, c.Validate(ctx.Stack())
}

// checkKeys checks the keys of the configuration that the engine passes in the
// environment to a program that it starts: pulumi.Context does not list them. A program
// that runs inside its driver's process has none, and the driver checks them.
func checkKeys(configuration string) error {
	if configuration == "" {
		return nil
	}
	var values map[string]string
	if err := json.Unmarshal([]byte(configuration), &values); err != nil {
		return fmt.Errorf("%s: %w", pulumi.EnvConfig, err)
	}
	return plan.CheckKeys(slices.Collect(maps.Keys(values)))
}

// NewPlan plans a configuration for a lab of that name, whose clusters have the slots.
func NewPlan(lab string, c *Config, held plan.Slots) (*Plan, error) {
	return plan.NewPlan(lab, c, held)
}

// addresses registers the clusters' slots and waits for them: the plan needs their
// values. That costs nothing, in a preview neither, because the provider answers from the
// state.
func addresses(ctx *pulumi.Context, c *Config) (pulumi.ResourceOption, plan.Slots, error) {
	p, err := cluster.NewProvider(ctx, "meshwright")
	if err != nil {
		return nil, nil, err
	}
	own := pulumi.Provider(p)
	a, err := cluster.NewAddresses(ctx, "addresses", &cluster.AddressesArgs{Clusters: c.Names(), Capacity: c.Capacity()}, own)
	if err != nil {
		return nil, nil, err
	}
	res, err := internals.UnsafeAwaitOutput(ctx.Context(), a.Slots)
	held, _ := res.Value.(map[string]int)
	if err == nil && len(held) != len(c.Clusters) {
		err = fmt.Errorf("the provider has slots for %d clusters of %d", len(held), len(c.Clusters))
	}
	return own, held, err
}

// Simulated is the environment variable that is set when nothing will be created:
// images then have the digests of the project's lock file, else tags, and no registry
// is asked.
const Simulated = "MESHWRIGHT_SIMULATED"

func artifactsOf(ctx *pulumi.Context, plan *Plan) (*artifacts.Set, error) {
	if plan.Artifacts == artifacts.SourceRegistry && os.Getenv(Simulated) != "" {
		return imagelock.Known(filepath.Join(ctx.RootDirectory(), imagelock.Name))
	}
	if plan.Artifacts == artifacts.SourceRegistry {
		file := imagelock.File(ctx.RootDirectory())
		set, err := imagelock.Registry(ctx.Context(), file)
		if err == nil {
			err = imagelock.Charts(ctx.Context(), set, file, imagelock.Archive)
		}
		if err != nil && ctx.DryRun() && !errors.Is(err, imagelock.ErrChanged) {
			// A preview needs no registry: images that are not locked keep their tags.
			known, knownErr := imagelock.Known(file)
			return known, errors.Join(knownErr, ctx.Log.Warn(err.Error(), nil))
		}
		return set, err
	}
	set, err := artifacts.Load(paths.Kit())
	if err != nil {
		return nil, fmt.Errorf("meshwright:artifacts is %s: %w", plan.Artifacts, err)
	}
	return set, nil
}
