// Package providertest drives a provider through its whole life over gRPC, as
// an engine does, without an engine, and reads what an SDK's source says of it.
package providertest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshwright/meshwright/internal/provider"
)

// Client is one connection, and so one provider, as the engine sees it.
type Client struct {
	t   testing.TB
	rpc pulumirpc.ResourceProviderClient
}

// Serve attaches the provider, connects and configures it.
func Serve(t testing.TB, f provider.Factory) *Client {
	t.Helper()
	ctx := context.Background()
	a := must(provider.Attach(ctx, map[string]provider.Factory{"p": f}))(t)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	conn := must(grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", a.Port("p")), grpc.WithTransportCredentials(insecure.NewCredentials())))(t)
	t.Cleanup(func() { conn.Close() })
	c := &Client{t: t, rpc: pulumirpc.NewResourceProviderClient(conn)}
	must(c.rpc.Handshake(ctx, &pulumirpc.ProviderHandshakeRequest{ConfigureWithUrn: true}))(t)
	must(c.rpc.Configure(ctx, &pulumirpc.ConfigureRequest{AcceptSecrets: true, AcceptResources: true}))(t)
	return c
}

// must returns a function that returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Resource is a resource as a state holds it.
type Resource struct {
	URN             resource.URN
	ID              resource.ID
	Inputs, Outputs resource.PropertyMap
}

// InitError is a create or update that left a resource which is not as it should be.
type InitError struct {
	Resource *Resource
	Reasons  []string
}

func (e *InitError) Error() string { return fmt.Sprint(e.Reasons) }

// Check returns the checked inputs and what is wrong with them, "property: reason".
func (c *Client) Check(urn resource.URN, olds, news resource.PropertyMap) (resource.PropertyMap, []string) {
	c.t.Helper()
	res := must(c.rpc.Check(context.Background(), &pulumirpc.CheckRequest{Urn: string(urn), Olds: c.marshal(olds), News: c.marshal(news)}))(c.t)
	var failures []string
	for _, f := range res.GetFailures() {
		failures = append(failures, f.GetProperty()+": "+f.GetReason())
	}
	return c.unmarshal(res.GetInputs()), failures
}

// ExpectFailure fails the test unless the inputs are refused with the text want, or
// accepted where it is "".
func (c *Client) ExpectFailure(t testing.TB, urn resource.URN, inputs resource.PropertyMap, want string) {
	t.Helper()
	_, failures := c.Check(urn, nil, inputs)
	got := strings.Join(failures, "\n")
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("failures = %q, want %q", got, want)
	}
}

// ExpectGone deletes r and fails the test unless it is gone then, and deleting it again
// succeeds.
func (c *Client) ExpectGone(t testing.TB, r *Resource) {
	t.Helper()
	if err := c.Delete(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if gone, err := c.Read(r); gone != nil || err != nil {
		t.Errorf("Read of what was deleted = %v, %v", gone, err)
	}
	if err := c.Delete(context.Background(), r); err != nil {
		t.Errorf("Delete of what is gone: %v", err)
	}
}

// With returns the inputs with a change over them.
func With(inputs, change resource.PropertyMap) resource.PropertyMap {
	out := inputs.Copy()
	maps.Copy(out, change)
	return out
}

// Diff returns the provider's answer for going from r to the checked inputs news.
func (c *Client) Diff(r *Resource, news resource.PropertyMap) *pulumirpc.DiffResponse {
	c.t.Helper()
	return must(c.rpc.Diff(context.Background(), &pulumirpc.DiffRequest{
		Urn: string(r.URN), Id: string(r.ID), Olds: c.marshal(r.Outputs), OldInputs: c.marshal(r.Inputs), News: c.marshal(news),
	}))(c.t)
}

// Preview returns the outputs that a create would have.
func (c *Client) Preview(urn resource.URN, inputs resource.PropertyMap) resource.PropertyMap {
	c.t.Helper()
	res := must(c.rpc.Create(context.Background(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: c.marshal(inputs), Preview: true}))(c.t)
	return c.unmarshal(res.GetProperties())
}

// Create checks and creates. It fails with *InitError after a partial failure.
func (c *Client) Create(ctx context.Context, urn resource.URN, news resource.PropertyMap) (*Resource, error) {
	c.t.Helper()
	inputs, failures := c.Check(urn, nil, news)
	if len(failures) > 0 {
		return nil, fmt.Errorf("check: %v", failures)
	}
	res, err := c.rpc.Create(ctx, &pulumirpc.CreateRequest{Urn: string(urn), Properties: c.marshal(inputs)})
	if err != nil {
		return nil, c.failure(urn, err)
	}
	return &Resource{URN: urn, ID: resource.ID(res.GetId()), Inputs: inputs, Outputs: c.unmarshal(res.GetProperties())}, nil
}

// MustCreate is Create for a test that does not expect a failure.
func (c *Client) MustCreate(urn resource.URN, news resource.PropertyMap) *Resource {
	c.t.Helper()
	return must(c.Create(context.Background(), urn, news))(c.t)
}

// Read refreshes r; nil means gone.
func (c *Client) Read(r *Resource) (*Resource, error) {
	c.t.Helper()
	res, err := c.rpc.Read(context.Background(), &pulumirpc.ReadRequest{
		Urn: string(r.URN), Id: string(r.ID), Properties: c.marshal(r.Outputs), Inputs: c.marshal(r.Inputs),
	})
	if err != nil {
		return nil, c.failure(r.URN, err)
	}
	if res.GetId() == "" {
		return nil, nil
	}
	out := &Resource{URN: r.URN, ID: resource.ID(res.GetId()), Inputs: c.unmarshal(res.GetInputs()), Outputs: c.unmarshal(res.GetProperties())}
	if len(out.Inputs) == 0 {
		out.Inputs = r.Inputs
	}
	return out, nil
}

// Update checks and updates in place.
func (c *Client) Update(ctx context.Context, r *Resource, news resource.PropertyMap) (*Resource, error) {
	c.t.Helper()
	return c.update(ctx, r, news, false)
}

// PreviewUpdate returns the outputs that an update would have.
func (c *Client) PreviewUpdate(r *Resource, news resource.PropertyMap) resource.PropertyMap {
	c.t.Helper()
	return must(c.update(context.Background(), r, news, true))(c.t).Outputs
}

func (c *Client) update(ctx context.Context, r *Resource, news resource.PropertyMap, preview bool) (*Resource, error) {
	c.t.Helper()
	inputs, failures := c.Check(r.URN, r.Inputs, news)
	if len(failures) > 0 {
		return nil, fmt.Errorf("check: %v", failures)
	}
	res, err := c.rpc.Update(ctx, &pulumirpc.UpdateRequest{
		Urn: string(r.URN), Id: string(r.ID), Olds: c.marshal(r.Outputs), OldInputs: c.marshal(r.Inputs), News: c.marshal(inputs), Preview: preview,
	})
	if err != nil {
		return nil, c.failure(r.URN, err)
	}
	return &Resource{URN: r.URN, ID: r.ID, Inputs: inputs, Outputs: c.unmarshal(res.GetProperties())}, nil
}

// Delete deletes.
func (c *Client) Delete(ctx context.Context, r *Resource) error {
	c.t.Helper()
	_, err := c.rpc.Delete(ctx, &pulumirpc.DeleteRequest{
		Urn: string(r.URN), Id: string(r.ID), Properties: c.marshal(r.Outputs), OldInputs: c.marshal(r.Inputs),
	})
	return err
}

// Cancel is the engine's answer to Ctrl-C.
func (c *Client) Cancel() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	must(c.rpc.Cancel(ctx, &emptypb.Empty{}))(c.t)
}

func (c *Client) failure(urn resource.URN, err error) error {
	st, _ := status.FromError(err)
	for _, d := range st.Details() {
		if f, ok := d.(*pulumirpc.ErrorResourceInitFailed); ok {
			return &InitError{Reasons: f.GetReasons(), Resource: &Resource{
				URN: urn, ID: resource.ID(f.GetId()), Inputs: c.unmarshal(f.GetInputs()), Outputs: c.unmarshal(f.GetProperties()),
			}}
		}
	}
	return err
}

var options = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true}

func (c *Client) marshal(m resource.PropertyMap) *structpb.Struct {
	c.t.Helper()
	return must(plugin.MarshalProperties(m, options))(c.t)
}

func (c *Client) unmarshal(s *structpb.Struct) resource.PropertyMap {
	c.t.Helper()
	return must(plugin.UnmarshalProperties(s, options))(c.t)
}

// Obj is an object of keys and values in turn.
func Obj(kv ...any) resource.PropertyMap {
	m := resource.PropertyMap{}
	for i := 0; i < len(kv); i += 2 {
		m[resource.PropertyKey(kv[i].(string))] = value(kv[i+1])
	}
	return m
}

// Arr is an array.
func Arr(items ...any) resource.PropertyValue {
	out := make([]resource.PropertyValue, len(items))
	for i, v := range items {
		out[i] = value(v)
	}
	return resource.NewArrayProperty(out)
}

// Secret marks a value.
func Secret(v any) resource.PropertyValue { return resource.MakeSecret(value(v)) }

func value(v any) resource.PropertyValue {
	switch v := v.(type) {
	case resource.PropertyValue:
		return v
	case resource.PropertyMap:
		return resource.NewObjectProperty(v)
	}
	return resource.NewPropertyValue(v)
}

// URN returns the URN of a resource called name.
func URN(typ, name string) resource.URN {
	return resource.NewURN("dev", "test", "", tokens.Type(typ), name)
}
