package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/mesh"
)

var pod = mesh.Pod{Namespace: "sample", Name: "load-0"}

// stream is a container that says what a test tells it to.
type stream func(ctx context.Context, argv []string, stdout, stderr io.Writer) (int, error)

func (f stream) Stream(ctx context.Context, p mesh.Pod, container string, argv []string, stdout, stderr io.Writer) (int, error) {
	if p != pod || container != "load" {
		return 0, fmt.Errorf("no container %s in pod %s", container, p)
	}
	return f(ctx, argv, stdout, stderr)
}

// said is Vegeta's output for three requests, and for one beyond the list's end.
const said = `pid 42
{"attack":"","seq":1,"code":503,"timestamp":"2026-01-02T03:04:05.500000001Z","latency":1500000,"bytes_out":0,"bytes_in":19,"error":"503 Service Unavailable","body":"bm8gaGVhbHRoeSB1cHN0cmVhbQ==","method":"GET","url":"http://h/","headers":{"Date":["x"]}}
{"attack":"","seq":0,"code":200,"timestamp":"2026-01-02T03:04:05Z","latency":2000000000,"bytes_out":0,"bytes_in":45,"error":"","body":"SGVsbG8gdmVyc2lvbjogdjEsIGluc3RhbmNlOiBoZWxsb3dvcmxkLXYxLTAK","method":"GET","url":"http://h/","headers":null}
{"attack":"","seq":3,"code":0,"timestamp":"2026-01-02T03:04:06Z","latency":10,"bytes_out":0,"bytes_in":0,"error":"no targets to attack","body":null,"method":"","url":"","headers":null}
{"attack":"","seq":2,"code":0,"timestamp":"2026-01-02T03:04:06Z","latency":5000000,"bytes_out":0,"bytes_in":0,"error":"Get \"http://h/\": EOF","body":null,"method":"GET","url":"http://h/","headers":null}
`

func threeRequests() Plan {
	return Plan{URL: "http://h/", Rate: 3, Duration: time.Second, Timeout: 1500 * time.Millisecond}
}

func TestPodReadsRecordsInAnyPieces(t *testing.T) {
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []Record{
		{Seq: 1, At: second.Add(500000001), Latency: 1500 * time.Microsecond, Status: 503, Error: "503 Service Unavailable: no healthy upstream"},
		{Seq: 0, At: second, Latency: 2 * time.Second, Status: 200, Version: "v1", Instance: "helloworld-v1-0"},
		{Seq: 2, At: second.Add(time.Second), Latency: 5 * time.Millisecond, Error: "EOF"},
	}
	pieces := map[string]func(io.Reader) io.Reader{
		"whole":            func(r io.Reader) io.Reader { return r },
		"byte by byte":     iotest.OneByteReader,
		"halves of a read": iotest.HalfReader,
	}
	for name, cut := range pieces {
		t.Run(name, func(t *testing.T) {
			var argv []string
			source := FromPod(stream(func(_ context.Context, a []string, stdout, _ io.Writer) (int, error) {
				argv = a
				buffer := make([]byte, 100)
				for r := cut(strings.NewReader(said)); ; {
					n, err := r.Read(buffer)
					stdout.Write(buffer[:n]) //nolint:errcheck // never fails
					if err != nil {
						return 0, nil
					}
				}
			}), pod, "load")
			var got []Record
			if err := source.Run(t.Context(), threeRequests(), func(r Record) { got = append(got, r) }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"sh", "-c", script, "load", "GET http://h/", "3", "3", "1.5s", ""}, argv); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodErrors(t *testing.T) {
	records := strings.SplitAfter(said, "\n")
	broken := errors.New("connection lost")
	cases := map[string]struct {
		out    string
		stderr string
		code   int
		err    error
		wants  []string
	}{
		"a record missing":  {out: strings.Join(records[:3], ""), wants: []string{"2 requests were recorded, not 3"}},
		"a record too many": {out: said + records[1], wants: []string{"4 requests were recorded, not 3"}},
		"no vegeta":         {out: records[0], stderr: "sh: 2: vegeta: not found\n", code: 127, wants: []string{"0 requests", "code 127", "vegeta: not found"}},
		"half a record":     {out: said + `{"seq":`, wants: []string{"ends within record 3"}},
		"not a record":      {out: records[0] + "panic: oops\n", wants: []string{"after 0 records", "panic: oops"}},
		"no process id":     {out: "pid none\n" + records[1], wants: []string{`"none"`}},
		"stream lost":       {out: records[0], stderr: "warning", err: broken, wants: []string{"0 of 3 requests", "connection lost", "warning"}},
		"an exit code":      {out: said, code: 1, wants: []string{"code 1"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			source := FromPod(stream(func(_ context.Context, argv []string, stdout, stderr io.Writer) (int, error) {
				if argv[2] != script {
					return 0, nil // the kill
				}
				io.WriteString(stdout, c.out)    //nolint:errcheck // never fails
				io.WriteString(stderr, c.stderr) //nolint:errcheck // never fails
				return c.code, c.err
			}), pod, "load")
			err := source.Run(t.Context(), threeRequests(), func(Record) {})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.wants, "sample/load-0") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("error %v is not the stream's", err)
			}
		})
	}
	if err := FromPod(nil, pod, "load").Run(t.Context(), Plan{URL: "http://h/"}, nil); err == nil {
		t.Error("a plan without a rate was accepted")
	}
}

func TestPodEndsItsProcessesWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var killed []string
	source := FromPod(stream(func(ctx context.Context, argv []string, stdout, _ io.Writer) (int, error) {
		if argv[2] != script {
			if ctx.Err() != nil {
				t.Error("the kill has a context that has ended")
			}
			killed = argv
			return 0, nil
		}
		io.WriteString(stdout, said[:300]) //nolint:errcheck // never fails
		cancel()
		time.AfterFunc(20*time.Millisecond, func() { io.WriteString(stdout, said[300:]) }) //nolint:errcheck // a stream that was dropped still delivers
		return 0, context.Cause(ctx)
	}), pod, "load")
	records := 0
	err := source.Run(ctx, threeRequests(), func(Record) { records++ })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	before := records
	time.Sleep(60 * time.Millisecond)
	if records != before {
		t.Error("a record came after the run")
	}
	if len(killed) != 5 || killed[4] != "42" {
		t.Errorf("killed with %q", killed)
	}
}

// local runs commands on this machine as a container runtime would: in a session of
// their own.
func local(t *testing.T) Streamer {
	return stream(func(ctx context.Context, argv []string, stdout, stderr io.Writer) (int, error) {
		cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // the test's own
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.Stdout, cmd.Stderr = stdout, stderr
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return 0, err
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-ctx.Done(): // the process lives on
			return 0, context.Cause(ctx)
		case <-done:
			return cmd.ProcessState.ExitCode(), nil
		}
	})
}

// TestPodScript runs the script with a stand-in for Vegeta, and with Vegeta itself
// where it is installed.
func TestPodScript(t *testing.T) {
	t.Run("stand-in", func(t *testing.T) {
		standIn(t)
		podScript(t)
	})
	if _, err := exec.LookPath("vegeta"); err == nil {
		t.Run("installed", podScript)
	}
}

func podScript(t *testing.T) {
	release := make(chan struct{})
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := "sample.test"
		switch r.URL.Path {
		case "/stall":
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		case "/moved":
			host = strings.TrimPrefix(server.URL, "http://")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}
		if r.Host != host {
			t.Errorf("%s was asked of host %q", r.URL, r.Host)
		}
		fmt.Fprint(w, hello) //nolint:errcheck // the client checks
	}))
	defer server.Close()
	defer close(release)
	t.Run("paced", func(t *testing.T) {
		p := Plan{URL: server.URL + "/it's?a=$(b)", Host: "sample.test", Rate: 100, Duration: time.Second}
		got := collect(t, FromPod(local(t), pod, "load"), p)
		checkPace(t, p, got)
		for _, r := range got {
			if !r.OK() || r.Version != "v1" {
				t.Fatalf("record %+v", r)
			}
		}
	})
	for name, c := range map[string]struct {
		path string
		want string // error of every record
	}{
		"no redirects": {"/moved", "302 Found: Hello"},
		"time out":     {"/stall", "Client.Timeout exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Plan{URL: server.URL + c.path, Rate: 20, Duration: 200 * time.Millisecond, Timeout: 150 * time.Millisecond}
			got := collect(t, FromPod(local(t), pod, "load"), p)
			if len(got) != 4 {
				t.Errorf("%d records", len(got))
			}
			for _, r := range got {
				if !strings.Contains(r.Error, c.want) {
					t.Errorf("record %+v", r)
				}
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var pid int
		source := FromPod(stream(func(ctx context.Context, argv []string, stdout, stderr io.Writer) (int, error) {
			if argv[2] != script {
				fmt.Sscan(argv[4], &pid) //nolint:errcheck // 0 fails below
			}
			return local(t).Stream(ctx, pod, "load", argv, stdout, stderr)
		}), pod, "load")
		err := source.Run(ctx, Plan{URL: server.URL + "/stall", Rate: 50, Duration: time.Minute, Timeout: time.Minute}, func(Record) {})
		if !errors.Is(err, context.DeadlineExceeded) || pid == 0 {
			t.Fatalf("error %v, group %d", err, pid)
		}
		for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			left := members(t, pid)
			if len(left) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("processes live on: %v", left)
			}
		}
	})
}

// TestPodScriptOfABrokenVegeta: what it said is in the error.
func TestPodScriptOfABrokenVegeta(t *testing.T) {
	dir := t.TempDir()
	text := "#!/bin/sh\necho \"$1: out of order\" >&2\nexit 2\n"
	if err := os.WriteFile(filepath.Join(dir, "vegeta"), []byte(text), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	err := FromPod(local(t), pod, "load").Run(t.Context(), threeRequests(), func(Record) { t.Error("a record") })
	if err == nil || !strings.Contains(err.Error(), "0 requests were recorded, not 3") || !strings.Contains(err.Error(), "attack: out of order") {
		t.Error(err)
	}
}

// members lists the processes of a group.
func members(t *testing.T, group int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		// pid (name) state parent group
		_, rest, _ := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		if len(f) > 2 && f[2] == fmt.Sprint(group) && f[0] != "Z" {
			out = append(out, string(data))
		}
	}
	return out
}
