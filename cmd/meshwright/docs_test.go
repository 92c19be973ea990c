package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocsSpeakOfWhatThereIs: every command line in the documents, in the pull
// request's job and in the help's examples can be typed; every command is in the
// README, and every flag somewhere.
func TestDocsSpeakOfWhatThereIs(t *testing.T) {
	root := NewRoot(&App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	const readme = "../../README.md"
	texts, all := map[string]string{}, ""
	for _, file := range append(files, readme) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(raw)
		all += string(raw)
	}
	const job = "../../.github/workflows/diff.yml"
	raw, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	texts[job] = strings.ReplaceAll(string(raw), `"`, "") // as the shell reads it
	flag := regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`)
	eachCommand(root, func(cmd *cobra.Command) {
		texts[cmd.CommandPath()+" --help"] = cmd.Example
		if !cmd.HasSubCommands() && !strings.Contains(texts[readme], cmd.CommandPath()) {
			t.Errorf("%s is not in the README", cmd.CommandPath())
		}
		for _, found := range flag.FindAllStringSubmatch(cmd.LocalFlags().FlagUsages(), -1) {
			if !regexp.MustCompile(found[1] + `\b`).MatchString(all) {
				t.Errorf("%s %s is in no document", cmd.CommandPath(), found[1])
			}
		}
	})
	line := regexp.MustCompile("\\bmeshwright ([a-z-][^`|#\")\n]*)")
	for where, text := range texts {
		for _, found := range line.FindAllStringSubmatch(text, -1) {
			if problem := untypable(root, strings.Fields(found[1])); problem != "" {
				t.Errorf("%s: %q: %s", where, found[0], problem)
			}
		}
	}
}

// untypable says what is wrong with a command line; "" if it can be typed.
func untypable(root *cobra.Command, args []string) string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd == root && !strings.HasPrefix(args[0], "-") {
		return "no such command"
	}
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		long, short := strings.HasPrefix(arg, "--"), strings.HasPrefix(arg, "-")
		switch {
		case name == "help":
		case long && cmd.Flag(name) == nil, short && !long && (len(name) != 1 || cmd.Flags().ShorthandLookup(name) == nil):
			return "no flag " + arg
		}
	}
	return ""
}

func TestUntypable(t *testing.T) {
	root := NewRoot(&App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	for line, good := range map[string]bool{
		"up": true, "up -c meshID=mesh2 --debug": true, "drill drain --fault=kill": true, "load IMAGE": true, "--help": true,
		"ups": false, "up --fault kill": false, "drill drain -z": false, "--version": false,
	} {
		if problem := untypable(root, strings.Fields(line)); (problem == "") != good {
			t.Errorf("%s: %q", line, problem)
		}
	}
}
