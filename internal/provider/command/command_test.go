package command

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/meshwright/meshwright/internal/process"
	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

var urn = pt.URN(string(commandType), "cmd")

func out(r *pt.Resource, key string) string {
	v := r.Outputs[resource.PropertyKey(key)]
	if v.IsSecret() {
		return "secret:" + v.SecretValue().Element.StringValue()
	}
	return v.StringValue()
}

func TestLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := pt.Serve(t, New)
	inputs := pt.Obj(
		"create", "echo made in $PWD by $WHO; cat >&2", "update", `echo "then $PULUMI_COMMAND_STDOUT|$PULUMI_COMMAND_STDERR"`,
		"delete", "echo gone $PULUMI_COMMAND_STDOUT >"+dir+"/gone", "dir", dir, "stdin", "from stdin",
		"environment", pt.Obj("WHO", "me"),
	)
	r := c.MustCreate(urn, inputs)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if out(r, "stdout") != "made in "+real+" by me" || out(r, "stderr") != "from stdin" {
		t.Errorf("stdout %q, stderr %q", out(r, "stdout"), out(r, "stderr"))
	}
	if !strings.HasPrefix(string(r.ID), "cmd") || len(r.ID) != len("cmd")+8 {
		t.Errorf("id = %s", r.ID)
	}
	if d := c.Diff(r, r.Inputs); d.GetChanges() != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("no-op diff = %v", d)
	}
	if read, err := c.Read(r); err != nil || !read.Outputs.DeepEquals(r.Outputs) {
		t.Errorf("read = %v, %v", read, err)
	}

	news := inputs.Copy()
	news["environment"] = resource.NewObjectProperty(pt.Obj("WHO", "you"))
	if d := c.Diff(r, news); len(d.GetReplaces()) > 0 || !slices.Contains(d.GetDiffs(), "environment") {
		t.Errorf("diff = %v", d)
	}
	if got := c.PreviewUpdate(r, news)["stdout"]; !got.IsComputed() {
		t.Errorf("stdout in the preview of an update = %v", got)
	}
	updated, err := c.Update(t.Context(), r, news)
	if err != nil {
		t.Fatal(err)
	}
	if want := "then made in " + real + " by me|from stdin"; out(updated, "stdout") != want {
		t.Errorf("stdout = %q, want %q", out(updated, "stdout"), want)
	}
	if err := c.Delete(t.Context(), updated); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(dir + "/gone"); string(got) != "gone then made in "+real+" by me|from stdin\n" {
		t.Errorf("delete wrote %q", got)
	}
}

func TestTriggersReplace(t *testing.T) {
	t.Parallel()
	c := pt.Serve(t, New)
	r := c.MustCreate(urn, pt.Obj("create", "true", "triggers", pt.Arr("a", 1.0, pt.Obj("k", "v"))))
	news := pt.Obj("create", "true", "triggers", pt.Arr("a", 2.0, pt.Obj("k", "v")), "addPreviousOutputInEnv", true)
	if d := c.Diff(r, news); !slices.Equal(d.GetReplaces(), []string{"triggers"}) {
		t.Errorf("diff = %v", d)
	}
}

func TestUpdateWithoutACommand(t *testing.T) {
	t.Parallel()
	c := pt.Serve(t, New)
	tests := map[string]struct {
		create, update any // nil leaves it out
		want           string
	}{
		"update":              {"echo c", "echo u", "u"},
		"create in its place": {"echo c$WHO", nil, "cx"},
		"neither keeps":       {nil, nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inputs := pt.Obj()
			for k, v := range map[resource.PropertyKey]any{"create": tt.create, "update": tt.update} {
				if v != nil {
					inputs[k] = resource.NewPropertyValue(v)
				}
			}
			r := c.MustCreate(urn, inputs)
			inputs["environment"] = resource.NewObjectProperty(pt.Obj("WHO", "x"))
			r, err := c.Update(t.Context(), r, inputs)
			if err != nil || out(r, "stdout") != tt.want {
				t.Errorf("stdout = %q, %v", out(r, "stdout"), err)
			}
		})
	}
}

func TestPreviousOutputCanBeLeftOut(t *testing.T) {
	t.Parallel()
	c := pt.Serve(t, New)
	inputs := pt.Obj("create", "echo one", "update", "echo [$PULUMI_COMMAND_STDOUT]", "addPreviousOutputInEnv", false)
	r, err := c.Update(t.Context(), c.MustCreate(urn, inputs), inputs)
	if err != nil || out(r, "stdout") != "[]" {
		t.Errorf("stdout = %q, %v", out(r, "stdout"), err)
	}
}

func TestInterpreter(t *testing.T) {
	t.Parallel()
	c := pt.Serve(t, New)
	r := c.MustCreate(urn, pt.Obj("create", "a  b", "interpreter", pt.Arr("/bin/echo", "-n", "x")))
	if out(r, "stdout") != "x a  b" {
		t.Errorf("stdout = %q", out(r, "stdout"))
	}
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	c := pt.Serve(t, New)
	const canary = "canary-7f3a"
	inputs := pt.Obj("create", "echo $S", "environment", pt.Obj("S", pt.Secret(canary)))
	r := c.MustCreate(urn, inputs)
	if out(r, "stdout") != "secret:"+canary || !r.Outputs["stderr"].IsSecret() {
		t.Errorf("stdout = %v, stderr = %v", r.Outputs["stdout"], r.Outputs["stderr"])
	}
	preview := c.Preview(urn, inputs)
	if v := preview["stdout"]; !v.IsSecret() || !v.SecretValue().Element.IsComputed() {
		t.Errorf("stdout in a preview = %v", v)
	}
	failing := pt.Obj("create", pt.Secret("echo "+canary+"; exit 3"))
	_, err := c.Create(t.Context(), urn, failing)
	if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("err = %v", err)
	}
	failing["logging"] = resource.NewStringProperty("stdoutAndStderr")
	if _, err := c.Create(t.Context(), urn, failing); err == nil || !strings.Contains(err.Error(), canary) {
		t.Errorf("logging was asked for: err = %v", err)
	}
}

func TestFailureShowsTheOutput(t *testing.T) {
	t.Parallel()
	c := pt.Serve(t, New)
	_, err := c.Create(t.Context(), urn, pt.Obj("create", "echo to stdout; echo to stderr >&2; exit 4"))
	for _, want := range []string{"exit status 4", "to stdout", "to stderr"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v lacks %q", err, want)
		}
	}
}

func TestCancellationKillsTheWholeGroup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := pt.Serve(t, New)
	failed := make(chan error)
	go func() {
		_, err := c.Create(context.Background(), urn, pt.Obj("create", "sleep 300 & echo $! >"+dir+"/pid.tmp; mv "+dir+"/pid.tmp "+dir+"/pid; wait"))
		failed <- err
	}()
	pid := 0
	for range 500 {
		if raw, err := os.ReadFile(dir + "/pid"); err == nil {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(raw)))
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if pid == 0 {
		t.Fatal("the command did not start")
	}
	start := time.Now()
	c.Cancel()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("err = %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	for range 200 {
		if !process.Alive(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("what the command started is still there")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   resource.PropertyMap
		want string
	}{
		"nothing":          {pt.Obj(), ""},
		"unknowns":         {pt.Obj("create", provider.Unknown(), "triggers", provider.Unknown()), ""},
		"assets refused":   {pt.Obj("assetPaths", pt.Arr("**")), "assetPaths: "},
		"archives refused": {pt.Obj("archivePaths", pt.Arr("**")), "archivePaths: "},
		"bad logging":      {pt.Obj("logging", "loud"), "logging: "},
		"unknown property": {pt.Obj("connection", "x"), `unknown property "connection"`},
	}
	c := pt.Serve(t, New)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c.ExpectFailure(t, urn, tt.in, tt.want)
		})
	}
}

// TestParity holds the twin to the SDK's source: every input is read or refused by
// name, every output is set, and what replaces, is filled in or secret is the same.
func TestParity(t *testing.T) {
	t.Parallel()
	sdk := pt.ReadSource(t, "github.com/pulumi/pulumi-command/sdk/go/command/local")
	if sdk.Version != "v"+Version {
		t.Errorf("the SDK is %s, the twin is of %s", sdk.Version, Version)
	}
	inputs := sdk.Properties(pt.Inputs("Command"))
	if d := cmp.Diff(inputs, pt.Decoded(reflect.TypeFor[args]())); d != "" {
		t.Errorf("inputs: %s", d)
	}
	if d := cmp.Diff(sdk.Enum("Logging"), slices.Sorted(slices.Values(loggings))); d != "" {
		t.Errorf("values of logging: %s", d)
	}
	if required := sdk.Required("Command"); required != nil {
		t.Errorf("the SDK requires %v", required)
	}

	c := pt.Serve(t, New)
	defaults := resource.PropertyMap{}
	for _, f := range sdk.Fields(pt.Inputs("Command")) {
		if strings.Contains(f.Doc, "Defaults to true.") {
			defaults[resource.PropertyKey(f.Property)] = resource.NewBoolProperty(true)
		}
	}
	if got, _ := c.Check(urn, nil, nil); !got.DeepEquals(defaults) {
		t.Errorf("filled in: %v, want %v", got, defaults)
	}

	r := c.MustCreate(urn, pt.Obj("create", "echo x"))
	replacing := sdk.Option("Command", "ReplaceOnChanges")
	for _, input := range inputs {
		news := r.Inputs.Copy()
		news[resource.PropertyKey(input)] = provider.Unknown()
		d := c.Diff(r, news)
		want := slices.Contains(replacing, input) || slices.Contains(replacing, input+"[*]")
		if got := slices.Contains(d.GetReplaces(), input); got != want || !slices.Contains(d.GetDiffs(), input) {
			t.Errorf("a change of %s: %v", input, d)
		}
	}
	secret := sdk.Option("Command", "AdditionalSecretOutputs")
	for _, output := range sdk.Properties("Command") {
		v, ok := r.Outputs[resource.PropertyKey(output)]
		switch output {
		case "assets", "archive":
			if ok {
				t.Errorf("%s is set, although their inputs are refused", output)
			}
		case "stdout", "stderr":
			if !ok || v.IsSecret() != slices.Contains(secret, output) {
				t.Errorf("%s = %v", output, v)
			}
		default:
			if !slices.Contains(inputs, output) {
				t.Errorf("output %s is neither made nor an input", output)
			}
		}
	}
	options := pt.ReadSource(t, "github.com/pulumi/pulumi-command/sdk/go/command", "provider.go")
	if got := options.Properties("providerArgs"); got != nil {
		t.Errorf("the provider has options: %v", got)
	}
}
