// Command pulumi-language-go runs Pulumi programs and policy packs written in Go.
// It is the part of Pulumi's own language host of that name that running them
// takes: the original is not published as a Go module. Code generation is absent.
//
// Beside a `pulumi` executable it counts as bundled with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

func main() {
	// Flags that the engine of one version or another passes and that mean
	// nothing here.
	for _, name := range []string{"tracing", "root"} {
		flag.String(name, "", "accepted and not used")
	}
	binary := flag.String("binary", "", "program to run in place of compiling one")
	flag.Parse()
	if err := serve(flag.Arg(0), *binary); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-go:", err)
		os.Exit(1)
	}
}

// serve answers the engine at address, telling it the port on standard output,
// until the engine is gone or a signal arrives.
func serve(address, binary string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()
	if address != "" {
		if err := rpcutil.Healthcheck(ctx, address, healthInterval, stop); err != nil {
			return fmt.Errorf("reach the engine at %s: %w", address, err)
		}
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(s, &host{engine: address, binary: binary, version: version.Version})
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}
