// Package call makes requests with curl inside a pod and reads what came back.
package call

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Record is one request.
type Record struct {
	Code     int // HTTP status, 0 for none
	Took     time.Duration
	Version  string // of the workload, from the answer; "" without one
	Instance string // the pod that answered
	Text     string // the error's text, or the body
	Err      error
}

// OK reports an answer: status 200 and a version in it.
func (r Record) OK() bool { return r.Err == nil && r.Code == 200 && r.Version != "" }

func (r Record) String() string {
	out := fmt.Sprintf("status %d", r.Code)
	if r.Code == 0 {
		out = "no answer"
	}
	out += fmt.Sprintf(" after %s", r.Took.Round(100*time.Microsecond))
	if r.Text != "" {
		out += ": " + r.Text
	}
	return out
}

// mark begins the line that curl writes after each transfer. The line before
// it starts afresh whether or not the body ended its own.
const mark = "#request "

// Curl is a curl command that makes n requests, concurrency at a time,
// each bounded by timeout. One process makes them all: an exec through the API
// server costs more than a hundred requests. The number of each request is
// globbed into the URL's fragment, which is not sent.
func Curl(url string, n, concurrency int, timeout time.Duration) []string {
	return []string{
		"curl", "-sS", "--parallel", "--parallel-max", strconv.Itoa(concurrency),
		"--max-time", Seconds(timeout),
		"-w", `\n` + mark + `%{http_code} %{time_total} %{exitcode} %{errormsg}\n`,
		fmt.Sprintf("%s#[1-%d]", url, n),
	}
}

// Seconds renders a duration in seconds as curl reads it.
func Seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

var (
	versionText  = regexp.MustCompile(`version: *([A-Za-z0-9._-]+)`)
	instanceText = regexp.MustCompile(`instance: *([A-Za-z0-9._-]+)`)
)

// ParseAnswer reads an answer as Istio's sample gives it:
// "Hello version: v1, instance: helloworld-v1-5d7b8cf9f-x2x4v".
func ParseAnswer(body string) (version, instance string) {
	if m := versionText.FindStringSubmatch(body); m != nil {
		version = m[1]
	}
	if m := instanceText.FindStringSubmatch(body); m != nil {
		instance = m[1]
	}
	return version, instance
}

// Parse reads the output of Curl. Transfers overlap, so a body may
// stand before another transfer's line; statuses and bodies are therefore
// paired up by kind, not by neighbourhood: answers go to the lines that say
// 200, other text to those that do not. A 200 without an answer stays without.
func Parse(out string) []Record {
	var records []Record
	var answers, others []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		rest, marked := strings.CutPrefix(line, mark)
		if !marked {
			switch version, _ := ParseAnswer(line); {
			case line == "":
			case version != "":
				answers = append(answers, line)
			default:
				others = append(others, line)
			}
			continue
		}
		f := strings.SplitN(rest, " ", 4)
		r := Record{}
		if len(f) > 1 {
			r.Code, _ = strconv.Atoi(f[0]) //nolint:errcheck // 0 is what curl itself writes for "none"
			secs, err := strconv.ParseFloat(f[1], 64)
			if err == nil {
				r.Took = time.Duration(secs * float64(time.Second))
			}
		}
		if len(f) > 3 && f[2] != "0" {
			r.Text = strings.TrimSpace("curl " + f[2] + ": " + f[3])
			r.Code = 0 // a body that broke off is no answer, whatever its status
		}
		records = append(records, r)
	}
	for i := range records {
		r := &records[i]
		switch {
		case r.Code == 200 && len(answers) > 0:
			r.Version, r.Instance = ParseAnswer(answers[0])
			r.Text, answers = answers[0], answers[1:]
		case r.Code != 200 && r.Text == "" && len(others) > 0:
			r.Text, others = others[0], others[1:]
		}
	}
	return records
}

// Paced is a curl command that makes n requests one after another, at most
// rate per second (0: as fast as answers come), and writes each record as soon
// as it can: what curl writes after a transfer stays in its buffer until the
// next body, so Reader sees a record at the latest with the one after it.
func Paced(url string, n int, rate float64, timeout time.Duration) []string {
	argv := []string{"curl", "-sSN", "--max-time", Seconds(timeout)}
	if rate > 0 {
		// Whole transfers per minute are the finest that every curl reads.
		argv = append(argv, "--rate", strconv.Itoa(max(1, int(math.Round(rate*60))))+"/m")
	}
	return append(argv,
		"-w", `\n`+mark+`%{http_code} %{time_total} %{exitcode} %{errormsg}\n`,
		fmt.Sprintf("%s#[1-%d]", url, n))
}

// Reader turns the output of Paced, written to it in any pieces, into records.
type Reader struct {
	OnRecord func(Record)

	line    []byte
	pending strings.Builder // what came since the last record
}

// Write takes a piece of output. It never fails.
func (r *Reader) Write(p []byte) (int, error) {
	for _, b := range p {
		if r.line = append(r.line, b); b != '\n' {
			continue
		}
		r.pending.Write(r.line)
		if strings.HasPrefix(string(r.line), mark) {
			for _, record := range Parse(r.pending.String()) {
				r.OnRecord(record)
			}
			r.pending.Reset()
		}
		r.line = r.line[:0]
	}
	return len(p), nil
}
