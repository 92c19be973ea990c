// Command pull-request-comment shows the report of `meshwright diff` under a pull
// request. It is run on GitHub by .github/workflows/comment.yml, from the default
// branch, and takes all that it needs from there:
//
//	GITHUB_TOKEN       may read actions and write pull requests
//	GITHUB_REPOSITORY  owner/name
//	GITHUB_API_URL     where the API is
//
// It is a command of its own, on the standard library alone, so that it compiles
// in seconds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/meshwright/meshwright/cmd/pull-request-comment/pullrequest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	var o pullrequest.Options
	flag.Int64Var(&o.RunID, "run", 0, "ID of the workflow run that made the report")
	flag.StringVar(&o.Workflow, "workflow", "", "path of the workflow that has to have made it")
	flag.StringVar(&o.Author, "author", "github-actions[bot]", "login of the token's own account")
	flag.Parse()
	c := &pullrequest.Client{
		API: os.Getenv("GITHUB_API_URL"), Repository: os.Getenv("GITHUB_REPOSITORY"), Token: os.Getenv("GITHUB_TOKEN"),
	}
	if o.RunID == 0 || c.API == "" || c.Repository == "" || c.Token == "" {
		return fmt.Errorf("give --run, and GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN in the environment")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	outcome, about, err := pullrequest.Post(ctx, c, o)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", outcome, about)
	return nil
}
