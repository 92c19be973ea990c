package automation_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/verify"
)

// A lab's whole life, without a test around it.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	lab, err := automation.New(ctx, automation.Options{Stack: "dev", Name: "mine"})
	if err != nil {
		log.Fatal(err)
	}
	up, err := lab.Up(ctx)
	var interrupted *automation.InterruptedError
	if errors.As(err, &interrupted) {
		log.Fatal("the next Up goes on from here: ", err)
	} else if err != nil {
		log.Fatal(err)
	}
	for _, c := range up.Outputs.Clusters {
		fmt.Println(c.Name, c.IngressAddress)
	}
	report, err := lab.Verify(ctx, verify.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Verdict)
	if _, err := lab.Destroy(ctx); err != nil {
		log.Fatal(err)
	}
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
