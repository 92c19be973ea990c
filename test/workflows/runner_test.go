package workflows

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runner runs a job's scripts as GitHub's runner does. An action or an expression
// that it has nothing for ends the test.
type runner struct {
	t           *testing.T
	expressions map[string]string                             // values by what stands in ${{ }}
	actions     map[string]func(with map[string]string) error // stand-ins by name; nil: nothing is done
	dir         string                                        // of the checkout
	env         []string                                      // that the runner gives to every script
}

// run takes the job's steps up to the first that fails. It returns what they printed.
func (r *runner) run(j job) (string, error) {
	r.t.Helper()
	if !r.holds(j.If) {
		return "skipped", nil
	}
	var out bytes.Buffer
	for _, s := range j.Steps {
		do := r.script
		if s.Uses != "" {
			do = r.action
		}
		if err := do(s, &out); err != nil {
			return out.String(), fmt.Errorf("step %q: %w", cmp.Or(s.Name, s.Uses), err)
		}
	}
	return out.String(), nil
}

func (r *runner) action(s step, _ *bytes.Buffer) error {
	name, _, _ := strings.Cut(s.Uses, "@")
	do, ok := r.actions[name]
	if !ok {
		r.t.Fatalf("there is no stand-in for %s", name)
	}
	with := map[string]string{}
	for key, value := range s.With {
		with[key] = r.resolve(fmt.Sprint(value))
	}
	if do == nil {
		return nil
	}
	return do(with)
}

func (r *runner) script(s step, out *bytes.Buffer) error {
	file := filepath.Join(r.t.TempDir(), "script.sh")
	if err := os.WriteFile(file, []byte(s.Run), 0o600); err != nil {
		return err
	}
	// GitHub's command for a script whose shell the workflow does not name.
	cmd := exec.CommandContext(r.t.Context(), "bash", "-e", file)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), r.env...)
	for key, value := range s.Env {
		cmd.Env = append(cmd.Env, key+"="+r.resolve(value))
	}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

var expression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)

func (r *runner) resolve(text string) string {
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		return r.value(expression.FindStringSubmatch(found)[1])
	})
}

func (r *runner) value(of string) string {
	r.t.Helper()
	v, ok := r.expressions[of]
	if !ok {
		r.t.Fatalf("the test has no value of %q", of)
	}
	return v
}

// holds evaluates a condition: values that equal texts, all of them.
func (r *runner) holds(condition string) bool {
	r.t.Helper()
	if condition == "" {
		return true
	}
	all := true
	for term := range strings.SplitSeq(condition, " && ") {
		of, text, _ := strings.Cut(term, " == ")
		all = r.value(of) == strings.Trim(text, "'") && all
	}
	return all
}
