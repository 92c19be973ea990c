package load

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// TestMain makes the test binary the command vegeta when it was started as that.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "vegeta" {
		m.Run()
		return
	}
	if err := vegetaCommand(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "vegeta:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// standIn puts a vegeta on PATH that is the test binary: what the script asks of the
// command, made of the command's own library.
func standIn(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "vegeta")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func vegetaCommand(name string, args []string) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	switch name {
	case "attack":
		header := http.Header{}
		lazy := flags.Bool("lazy", false, "")
		rate := flags.String("rate", "", "")
		timeout := flags.Duration("timeout", vegeta.DefaultTimeout, "")
		redirects := flags.Int("redirects", vegeta.DefaultRedirects, "")
		flags.Func("header", "", func(s string) error {
			key, value, _ := strings.Cut(s, ":")
			header[key] = []string{strings.TrimSpace(value)}
			return nil
		})
		if err := flags.Parse(args); err != nil {
			return err
		}
		perSecond, err := strconv.Atoi(strings.TrimSuffix(*rate, "/s"))
		if err != nil {
			return err
		}
		if !*lazy {
			return errors.New("a list that is read at once is used again and again")
		}
		attacker := vegeta.NewAttacker(vegeta.Timeout(*timeout), vegeta.Redirects(*redirects))
		encode := vegeta.NewEncoder(os.Stdout)
		for r := range attacker.Attack(vegeta.NewHTTPTargeter(os.Stdin, nil, header), vegeta.Rate{Freq: perSecond, Per: time.Second}, 0, "") {
			if err := encode(r); err != nil {
				return err
			}
		}
		return nil
	case "encode":
		to := flags.String("to", "", "")
		if err := flags.Parse(args); err != nil || *to != "json" {
			return fmt.Errorf("encode to %q: %w", *to, err)
		}
		decode, encode := vegeta.NewDecoder(os.Stdin), vegeta.NewJSONEncoder(os.Stdout)
		for {
			var r vegeta.Result
			if err := decode(&r); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := encode(&r); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("no command %q", name)
}
