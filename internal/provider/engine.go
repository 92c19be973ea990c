package provider

import (
	"context"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// engineClient writes to the log of the engine that uses a provider. (The SDK's
// own HostClient comes with the tracing of a whole plugin main.)
type engineClient struct {
	conn *grpc.ClientConn
	rpc  pulumirpc.EngineClient
}

// newEngineClient dials at first use, so it fails for a malformed address only.
func newEngineClient(address string) (*engineClient, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &engineClient{conn: conn, rpc: pulumirpc.NewEngineClient(conn)}, nil
}

// log drops errors: an operation does not fail because its log line was lost.
func (c *engineClient) log(ctx context.Context, sev Severity, urn resource.URN, msg string, ephemeral bool) {
	_, _ = c.rpc.Log(ctx, &pulumirpc.LogRequest{
		Severity:  pulumirpc.LogSeverity(sev),
		Message:   strings.ToValidUTF8(msg, "\uFFFD"),
		Urn:       string(urn),
		Ephemeral: ephemeral,
	})
}

// Severity is how the engine ranks a line of a resource's log.
type Severity pulumirpc.LogSeverity

const (
	Debug   = Severity(pulumirpc.LogSeverity_DEBUG) // shown with --debug only
	Info    = Severity(pulumirpc.LogSeverity_INFO)
	Warning = Severity(pulumirpc.LogSeverity_WARNING)
)
