package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

// connect serves a host and returns a client of it.
func connect(t *testing.T) pulumirpc.LanguageRuntimeClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterLanguageRuntimeServer(server, &host{engine: "127.0.0.1:1", version: "3.1.2"})
	go server.Serve(listener) //nolint:errcheck // ends with the test
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pulumirpc.NewLanguageRuntimeClient(conn)
}

// script writes an executable and returns the project that names it as its binary.
func script(t *testing.T, text string) (dir string, info *pulumirpc.ProgramInfo) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program"), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	options, err := structpb.NewStruct(map[string]any{"binary": "./program"})
	if err != nil {
		t.Fatal(err)
	}
	return dir, &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: ".", Options: options}
}

func TestRunReportsHowTheProgramEnded(t *testing.T) {
	tests := map[string]struct {
		text  string
		bail  bool
		error string
	}{
		"success":               {text: "exit 0"},
		"error told by program": {text: "exit 32", bail: true},
		"crash":                 {text: "exit 3", error: "exit status 3"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir, info := script(t, tc.text)
			resp, err := connect(t).Run(t.Context(), &pulumirpc.RunRequest{Pwd: dir, Info: info})
			if err != nil {
				t.Fatal(err)
			}
			if resp.GetBail() != tc.bail || (tc.error == "") != (resp.GetError() == "") || !strings.Contains(resp.GetError(), tc.error) {
				t.Errorf("bail %v, error %q", resp.GetBail(), resp.GetError())
			}
		})
	}
}

func TestRunHandsTheDeploymentToTheProgram(t *testing.T) {
	dir, info := script(t, `env | grep ^PULUMI_ | grep -v -e HOME -e SKIP -e BACKEND -e PASSPHRASE -e ACQUISITION | sort >out; echo "$PWD" "$@" >>out`)
	_, err := connect(t).Run(t.Context(), &pulumirpc.RunRequest{
		Pwd: dir, Info: info, Args: []string{"a b"}, Project: "p", Stack: "dev", Organization: "o",
		Config: map[string]string{"p:k": "v"}, ConfigSecretKeys: []string{"p:s"}, DryRun: true, Parallel: 7, MonitorAddress: "127.0.0.1:2",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`PULUMI_CONFIG={"p:k":"v"}`, `PULUMI_CONFIG_SECRET_KEYS=["p:s"]`, "PULUMI_DRY_RUN=true", "PULUMI_ENGINE=127.0.0.1:1",
		"PULUMI_MONITOR=127.0.0.1:2", "PULUMI_ORGANIZATION=o", "PULUMI_PARALLEL=7", "PULUMI_PROJECT=p",
		"PULUMI_ROOT_DIRECTORY=" + dir, "PULUMI_STACK=dev", dir + " a b", "",
	}, "\n")
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestRunSaysWhenTheProgramIsNotBuilt(t *testing.T) {
	dir, info := script(t, "")
	if err := os.Remove(filepath.Join(dir, "program")); err != nil {
		t.Fatal(err)
	}
	resp, err := connect(t).Run(t.Context(), &pulumirpc.RunRequest{Pwd: dir, Info: info})
	if err != nil || !strings.Contains(resp.GetError(), "build it") {
		t.Errorf("error %q, %v", resp.GetError(), err)
	}
}

func TestProgramIsCompiledWhereNoBinaryIsNamed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.test/p\n\ngo 1.26\n", "main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(32) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	info := &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: "."}
	client := connect(t)
	resp, err := client.Run(t.Context(), &pulumirpc.RunRequest{Pwd: dir, Info: info})
	if err != nil || !resp.GetBail() {
		t.Errorf("response %v, %v", resp, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { undefined() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err = client.Run(t.Context(), &pulumirpc.RunRequest{Pwd: dir, Info: info})
	if err != nil || !strings.Contains(resp.GetError(), "undefined: undefined") {
		t.Errorf("the compiler's message is lost: %q, %v", resp.GetError(), err)
	}
}

func TestRunPluginStreamsAndEnds(t *testing.T) {
	dir, info := script(t, `echo "$WORD"; echo problem >&2; exit 4`)
	stream, err := connect(t).RunPlugin(t.Context(), &pulumirpc.RunPluginRequest{Pwd: dir, Info: info, Env: []string{"WORD=port", "PATH=" + os.Getenv("PATH")}})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr string
	code := int32(-1)
	for {
		m, err := stream.Recv()
		if err == io.EOF { //nolint:errorlint // as gRPC documents it
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch o := m.GetOutput().(type) {
		case *pulumirpc.RunPluginResponse_Stdout:
			stdout += string(o.Stdout)
		case *pulumirpc.RunPluginResponse_Stderr:
			stderr += string(o.Stderr)
		case *pulumirpc.RunPluginResponse_Exitcode:
			code = o.Exitcode
		}
	}
	if stdout != "port\n" || stderr != "problem\n" || code != 4 {
		t.Errorf("stdout %q, stderr %q, code %d", stdout, stderr, code)
	}
}

func TestRunEndsWhenCancelled(t *testing.T) {
	dir, info := script(t, `trap 'echo stopped >out; exit 0' INT; touch ready; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
				cancel()
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if _, err := (&host{}).Run(ctx, &pulumirpc.RunRequest{Pwd: dir, Info: info}); err != nil {
		t.Fatal(err)
	}
	if out, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(out) != "stopped\n" {
		t.Errorf("the program was not told to end: %q, %v", out, err)
	}
}

func TestModules(t *testing.T) {
	list := "\n+ example.test/a v1.0.0\n- example.test/b v2.0.0\n"
	for indirect, want := range map[bool]int{false: 1, true: 2} {
		if got := modules(list, indirect); len(got) != want || got[0].GetName() != "example.test/a" {
			t.Errorf("indirect %v: %v", indirect, got)
		}
	}
}
