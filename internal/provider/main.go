package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
)

// engineCheck is how often a plugin process looks whether its engine is alive.
const engineCheck = time.Second

// Main serves one provider as a plugin process: it prints its port on standard
// output and serves until the engine whose address is in the arguments goes, or
// a signal asks it to end. Its log goes to standard error, which the engine shows.
func Main(name string, f Factory) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serveMain(ctx, name, f, os.Args[1:], os.Stdout, os.Stderr)
}

func serveMain(ctx context.Context, name string, f Factory, args []string, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	a, err := Attach(ctx, map[string]Factory{name: f}, WithLogger(log))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, a.Port(name)); err != nil {
		return errors.Join(fmt.Errorf("tell the engine the port: %w", err), a.Close())
	}
	ctx, ended := context.WithCancel(ctx)
	defer ended()
	// An engine that ends properly stops its plugins; one that was killed would leave
	// them behind. Without an engine it serves until it is told to end.
	if engine := engineAddress(args); engine != "" {
		if err := rpcutil.Healthcheck(ctx, engine, engineCheck, ended); err != nil {
			return errors.Join(fmt.Errorf("engine address %q: %w", engine, err), a.Close())
		}
	}
	<-ctx.Done()
	return a.Close()
}

// engineAddress returns the one argument that is not a flag. The engine passes
// --logtostderr, -v=N and --tracing ENDPOINT before it.
func engineAddress(args []string) string {
	var address string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--tracing" || args[i] == "-tracing":
			i++
		case !strings.HasPrefix(args[i], "-"):
			address = args[i]
		}
	}
	return address
}
