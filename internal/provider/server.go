package provider

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// maxMessage is the largest message in bytes that a server takes, as in the
// Pulumi SDK: a state can be far above gRPC's 4 MiB.
const maxMessage = 400 << 20

// server is the SDK's provider server with its gaps closed.
type server struct {
	pulumirpc.ResourceProviderServer
	provider plugin.Provider
}

// NewServer returns p as a gRPC service. Use it in place of the SDK's
// [plugin.NewProviderServer], which it wraps.
func NewServer(p plugin.Provider) pulumirpc.ResourceProviderServer {
	return &server{ResourceProviderServer: plugin.NewProviderServer(p), provider: p}
}

func (s *server) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	res, err := s.ResourceProviderServer.Diff(ctx, req)
	return completeDiff(res), err
}

func (s *server) DiffConfig(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	res, err := s.ResourceProviderServer.DiffConfig(ctx, req)
	return completeDiff(res), err
}

// completeDiff sets what the SDK's server loses of a detailed diff: that there is
// one, that a deletion replaces, and the top-level names beside the paths.
func completeDiff(res *pulumirpc.DiffResponse) *pulumirpc.DiffResponse {
	if res == nil || len(res.GetDetailedDiff()) == 0 {
		return res
	}
	res.HasDetailedDiff = true
	for _, path := range res.GetReplaces() {
		if d := res.GetDetailedDiff()[path]; d.GetKind() == pulumirpc.PropertyDiff_DELETE {
			d.Kind = pulumirpc.PropertyDiff_DELETE_REPLACE
		}
	}
	res.Diffs = topLevel(res.GetDiffs())
	res.Replaces = topLevel(res.GetReplaces())
	return res
}

// topLevel returns the distinct first elements of property paths, sorted.
func topLevel(paths []string) []string {
	var keys []string
	for _, path := range paths {
		key := path
		if parsed, err := resource.ParsePropertyPath(path); err == nil && len(parsed) > 0 {
			key = fmt.Sprint(parsed[0])
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Attach tells a provider that was already running which engine took it. A
// provider that needs the engine's address has it from Handshake.
func (s *server) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	if p, ok := s.provider.(plugin.GrpcProvider); ok {
		if err := p.Attach(req.GetAddress()); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}

// GetPluginInfo answers for a provider without a version too.
func (s *server) GetPluginInfo(ctx context.Context, _ *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	info, err := s.provider.GetPluginInfo(ctx)
	if err != nil {
		return nil, err
	}
	if info.Version == nil {
		return &pulumirpc.PluginInfo{}, nil
	}
	return &pulumirpc.PluginInfo{Version: info.Version.String()}, nil
}

// newGRPC returns a gRPC server with p registered, whose handlers turn a panic
// into an error. The stack goes to log.
func newGRPC(name string, p plugin.Provider, log *slog.Logger) *grpc.Server {
	srv := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.WaitForHandlers(true),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (res any, err error) {
			defer func() { err = recovered(recover(), err, name, info.FullMethod, log) }()
			return handler(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
			defer func() { err = recovered(recover(), err, name, info.FullMethod, log) }()
			return handler(srv, stream)
		}),
	)
	pulumirpc.RegisterResourceProviderServer(srv, NewServer(p))
	return srv
}

// recovered returns err, or what a panic with value v means to the engine.
func recovered(v any, err error, name, method string, log *slog.Logger) error {
	if v == nil {
		return err
	}
	method = method[strings.LastIndex(method, "/")+1:]
	log.Error("provider panicked", "provider", name, "method", method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return status.Errorf(codes.Internal,
		"the %s provider panicked in %s: %v; this is a bug in meshwright: please report it with the stack from the log", name, method, v)
}
