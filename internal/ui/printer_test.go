package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is a writer that the animation and the test may use at once.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func TestPlainLines(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(*Step)
		want string
	}{
		"done":      {func(s *Step) { s.Done("3 made") }, "✓ work: 3 made 1m05s"},
		"skip":      {func(s *Step) { s.Skip("there already") }, "- work: there already 1m05s"},
		"fail":      {func(s *Step) { s.Fail(errors.New("it broke\nat length")) }, "✗ work: it broke 1m05s"},
		"only once": {func(s *Step) { s.Done(""); s.Fail(errors.New("late")) }, "✓ work 1m05s"},
	} {
		t.Run(name, func(t *testing.T) {
			var out output
			c := &clock{}
			p := New(&out, Options{Now: c.now})
			s := p.Start("work")
			c.add(65 * time.Second)
			tc.end(s)
			if diff := cmp.Diff("  work ...\n"+tc.want+"\n", out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlainReminder(t *testing.T) {
	var out output
	c := &clock{}
	p := New(&out, Options{Now: c.now})
	s := p.Start("work")
	s.Update("half of it")
	c.add(31 * time.Second)
	p.mu.Lock()
	p.remind()
	p.remind() // not again before another 30 s
	p.mu.Unlock()
	s.Done("")
	want := "  work ...\n  still work, 31s: half of it\n✓ work 31s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestLiveRegion plays the cursor movements back, as a terminal would.
func TestLiveRegion(t *testing.T) {
	var out output
	p := New(&out, Options{Terminal: true, Width: func() int { return 40 }})
	one := p.Start("one")
	two := p.Start("two " + strings.Repeat("long ", 20))
	p.Info("a remark")
	one.Done("fine")
	two.Fail(nil)
	got := screen(out.String())
	want := []string{"a remark", "✓ one: fine", "✗ two " + strings.TrimSpace(strings.Repeat("long ", 20))}
	for i, line := range want {
		if i >= len(got) || strings.TrimSpace(got[i]) != line {
			t.Fatalf("screen:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines are left, want %d: %q", len(got), len(want), got)
	}
	for _, frame := range strings.Split(out.String(), "\x1b[J") {
		for _, line := range strings.Split(frame, "\n") {
			if strings.HasPrefix(line, frames[0]) && len([]rune(line)) > 40 {
				t.Errorf("a live line of %d columns would wrap: %q", len([]rune(line)), line)
			}
		}
	}
}

// screen interprets the two sequences that a Printer writes: up n lines, and
// erase to the end.
func screen(s string) []string {
	var lines []string
	row := 0
	for len(s) > 0 {
		if strings.HasPrefix(s, "\x1b[J") {
			lines = lines[:row]
			s = s[3:]
			continue
		}
		if strings.HasPrefix(s, "\x1b[") {
			end := strings.IndexByte(s, 'A')
			n := 0
			for _, r := range s[2:end] {
				n = n*10 + int(r-'0')
			}
			row -= n
			s = s[end+1:]
			continue
		}
		end := strings.IndexByte(s, '\n')
		lines = append(lines[:row], s[:end])
		row++
		s = s[end+1:]
	}
	return lines
}

func TestJSONLines(t *testing.T) {
	var out output
	c := &clock{}
	p := New(&out, Options{JSON: true, Terminal: true, Color: true, Now: c.now})
	s := p.Start("work")
	c.add(2 * time.Second)
	s.Done("note")
	p.Warn("careful")
	var got []record
	dec := json.NewDecoder(strings.NewReader(out.String()))
	for dec.More() {
		var r record
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		r.Time = time.Time{}
		got = append(got, r)
	}
	want := []record{
		{Event: "start", Step: "work"},
		{Event: "done", Step: "work", Detail: "note", Seconds: 2},
		{Event: "warn", Message: "careful"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNilIsSilent(t *testing.T) {
	var p *Printer
	s := p.Start("work")
	s.Update("x")
	s.Done("")
	p.Info("x")
	p.Warn("x")
	if p.Color() || p.Terminal() {
		t.Error("a nil printer has neither colour nor terminal")
	}
}

func TestElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0.4s": 400 * time.Millisecond, "12s": 12900 * time.Millisecond, "1m05s": 65 * time.Second, "1h02m": 62 * time.Minute,
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 20: "3.0 MiB", 5 << 40: "5120.0 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
