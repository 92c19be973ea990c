package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

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
	if _, err := fmt.Fprintf(stdout, "%d\n", a.Port(name)); err != nil {
		_ = a.Close()
		return fmt.Errorf("tell the engine the port: %w", err)
	}
	// Without an engine it serves whoever attaches, until it is told to end.
	if engine := engineAddress(args); engine != "" {
		watchEngine(ctx, engine)
	} else {
		<-ctx.Done()
	}
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

// watchEngine returns when the engine at address cannot be reached any more, or
// ctx ends. An engine that ends properly stops its plugins; one that was killed
// would leave them behind.
func watchEngine(ctx context.Context, address string) {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithIdleTimeout(0)) // idleness must not look like the engine's end
	if err != nil {
		<-ctx.Done()
		return
	}
	defer conn.Close()
	conn.Connect()
	for {
		state := conn.GetState()
		switch state {
		case connectivity.TransientFailure:
			if refused(address) {
				return
			}
		case connectivity.Idle:
			conn.Connect()
		}
		if !conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// refused says whether nobody listens at address. A busy machine may also fail
// to connect in time, and that is not the engine's end.
func refused(address string) bool {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
