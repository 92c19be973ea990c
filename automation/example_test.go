package automation_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/meshwright/meshwright/automation"
)

// A lab of its own with a committed stack's settings, and one of them changed.
func ExampleNew() {
	lab, err := automation.New(context.Background(), automation.Options{
		Stack: "three-region", Name: "mine", Config: map[string]string{"clusters[2].name": "cluster9"},
		Artifacts: automation.ArtifactsRegistry, Executable: automation.InProcess,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lab.Name(), lab.ClusterNames())
	// Output: mine [cluster1 cluster2 cluster9]
}

// Settings are refused before anything is made.
func ExampleLab_Check() {
	lab, err := automation.New(context.Background(), automation.Options{
		ProjectDir: "..", Config: map[string]string{"clusters[0].controlPlane": "nobody"},
		Artifacts: automation.ArtifactsRegistry, Executable: automation.InProcess,
	})
	if err != nil {
		log.Fatal(err)
	}
	var refused *automation.ConfigError
	fmt.Println(errors.As(lab.Check(), &refused))
	// Output: true
}
