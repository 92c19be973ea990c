package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/meshwright/meshwright/mesh"
)

// Streamer runs a command in a container and hands its output over as it comes;
// *mesh.Client is one.
type Streamer interface {
	Stream(ctx context.Context, pod mesh.Pod, container string, argv []string, stdout, stderr io.Writer) (code int, err error)
}

// FromPod sends the load from a container that holds a shell and the command
// vegeta (image "load" of package artifacts). The exec's stream carries the
// records only: the pace does not depend on it.
func FromPod(c Streamer, pod mesh.Pod, container string) Source {
	return &inPod{cluster: c, pod: pod, container: container}
}

type inPod struct {
	cluster   Streamer
	pod       mesh.Pod
	container string
}

// script takes a target, the number of requests, the rate, the timeout of one,
// and the Host header, which may be empty. A list of targets of that length, read as it is used, ends the attack by
// count: -duration would leave requests out where the machine is busy in the
// last moment. The first line is the process group to end.
const script = `echo "pid $$"
yes "$1" | head -n "$2" | vegeta attack -lazy -rate "$3/s" -timeout "$4" ${5:+-header "Host: $5"} -redirects -1 | vegeta encode --to json`

// noTarget is what Vegeta records for the requests beyond the list's end that it
// had begun to prepare; they were never sent.
const noTarget = "no targets to attack"

// stopTimeout bounds the ending of a cancelled run's processes.
const stopTimeout = 3 * time.Second

func (s *inPod) Run(ctx context.Context, p Plan, on func(Record)) error {
	p, err := p.complete()
	if err != nil {
		return err
	}
	scheduled := p.Scheduled()
	argv := []string{
		"sh", "-c", script, "load",
		p.Method + " " + p.URL, strconv.Itoa(scheduled), strconv.Itoa(p.Rate), p.Timeout.String(), p.Host,
	}
	out := &lines{on: on}
	var said tail
	code, err := s.cluster.Stream(ctx, s.pod, s.container, argv, out, &said)
	got, pid, bad := out.close()
	switch {
	case ctx.Err() != nil:
		s.kill(ctx, pid)
		return fmt.Errorf("load from pod %s: %d of %d requests were recorded: %w", s.pod, got, scheduled, context.Cause(ctx))
	case err != nil:
		s.kill(ctx, pid)
		return fmt.Errorf("load from pod %s: %d of %d requests were recorded: %w%s", s.pod, got, scheduled, err, said.quote())
	case bad != nil:
		return fmt.Errorf("load from pod %s: %w%s", s.pod, bad, said.quote())
	case got != scheduled:
		return fmt.Errorf("load from pod %s: %d requests were recorded, not %d; vegeta ended with code %d%s", s.pod, got, scheduled, code, said.quote())
	case code != 0:
		return fmt.Errorf("load from pod %s: vegeta ended with code %d%s", s.pod, code, said.quote())
	}
	return nil
}

// kill ends the processes of a run whose stream is gone; the kubelet does not. A
// failure leaves them to their own end, which is when the targets are used up.
func (s *inPod) kill(ctx context.Context, pid int) {
	if pid == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	// An exec's first process leads its own session, so its group is the run. Vegeta
	// meets a gentler signal by waiting for the answers that are still to come.
	argv := []string{"sh", "-c", `kill -KILL "-$1" || kill -KILL "$1"`, "load", strconv.Itoa(pid)}
	s.cluster.Stream(ctx, s.pod, s.container, argv, io.Discard, io.Discard) //nolint:errcheck // see above
}

// result is a line of Vegeta's JSON.
type result struct {
	Seq       uint64        `json:"seq"`
	Code      int           `json:"code"`
	Timestamp time.Time     `json:"timestamp"`
	Latency   time.Duration `json:"latency"` // nanoseconds
	Error     string        `json:"error"`
	Body      []byte        `json:"body"` // base64
}

// lines turns the script's output, written to it in any pieces, into records. A
// stream that was dropped may still deliver: after close nothing is heard.
type lines struct {
	on func(Record)

	mu      sync.Mutex
	partial []byte
	got     int
	pid     int
	err     error // the first line that was no record
	closed  bool
}

// Write takes a piece of output. It never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil
	}
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte{'\n'})
		if !whole {
			return len(p), nil
		}
		l.line(line)
		l.partial = rest
	}
}

func (l *lines) line(line []byte) {
	if l.err != nil {
		return
	}
	if n, ok := bytes.CutPrefix(line, []byte("pid ")); ok && l.pid == 0 {
		l.pid, l.err = strconv.Atoi(string(n))
		return
	}
	var r result
	if err := json.Unmarshal(line, &r); err != nil {
		l.err = fmt.Errorf("after %d records vegeta wrote %q: %w", l.got, firstLine(string(line)), err)
		return
	}
	if r.Error == noTarget && r.Code == 0 {
		return
	}
	l.got++
	l.on(newRecord(r.Seq, r.Timestamp, r.Latency, r.Code, r.Error, r.Body))
}

// close ends the hearing and returns the number of records, the process group
// (0 for unknown) and what was no record.
func (l *lines) close() (got, pid int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.err == nil && len(l.partial) > 0 {
		l.err = fmt.Errorf("the output ends within record %d", l.got)
	}
	return l.got, l.pid, l.err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-500):]
	return len(p), nil
}

// quote renders the text as the end of a message.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.text))
	if text == "" {
		return ""
	}
	return "; it said: " + text
}
