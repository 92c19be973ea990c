package kind

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	kinderrors "sigs.k8s.io/kind/pkg/errors"
	"sigs.k8s.io/kind/pkg/exec"
	kindlog "sigs.k8s.io/kind/pkg/log"

	"github.com/meshwright/meshwright/internal/process"
)

// ChildArg is the first argument of an executable that is to be the child: it
// then calls ChildMain and exits with what that returns.
const ChildArg = "__kind"

// specFormat is the version of the form in which parent and child talk, so that
// an executable of another version is refused and not misunderstood.
const specFormat = 1

// spec is what the child reads on standard input: one JSON value. The Docker
// daemon and network come in the environment, since kind reads them there.
type spec struct {
	Format     int    `json:"format"`
	Name       string `json:"name"`
	Config     string `json:"config"`     // kind's configuration, YAML
	Kubeconfig string `json:"kubeconfig"` // path that kind writes; never the user's own
}

// formatArg, after ChildArg, asks an executable for its specFormat.
const formatArg = "--format"

// Fits reports whether an executable serves as the child of this very version.
// Whatever is no meshwright command, or another version's, does not.
func Fits(ctx context.Context, executable string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := osexec.CommandContext(ctx, executable, ChildArg, formatArg)
	cmd.Args[0] = "meshwright"
	out, err := cmd.Output()
	return err == nil && strings.TrimSpace(string(out)) == strconv.Itoa(specFormat)
}

// ChildMain creates the cluster that standard input describes and returns the
// process's exit code. What there is to say goes to standard error, one line
// each. Standard input stays open for the parent's life: at its end, and on
// SIGTERM, the child kills its whole process group.
func ChildMain() int {
	if len(os.Args) > 2 && os.Args[2] == formatArg {
		fmt.Println(specFormat)
		return 0
	}
	process.Lead()
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	var s spec
	if err == nil {
		err = json.Unmarshal(line, &s)
	}
	if err == nil && s.Format != specFormat {
		err = fmt.Errorf("this meshwright executable is of another version than its caller (format %d, not %d): build both from one source", specFormat, s.Format)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", ChildArg, err)
		return 2
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		process.KillOwn()
	}()
	if err := create(s, lineLogger{os.Stderr}); err != nil {
		return 1
	}
	return 0
}

// create runs kind and logs its error with the output of the command that
// failed. Nodes are kept on failure: the caller removes what is its own.
func create(s spec, log lineLogger) error {
	err := kindcluster.NewProvider(
		kindcluster.ProviderWithLogger(log), kindcluster.ProviderWithDocker(),
	).Create(s.Name,
		kindcluster.CreateWithRawConfig([]byte(s.Config)),
		kindcluster.CreateWithKubeconfigPath(s.Kubeconfig),
		kindcluster.CreateWithRetain(true),
		kindcluster.CreateWithDisplayUsage(false),
		kindcluster.CreateWithDisplaySalutation(false),
	)
	if err == nil {
		return nil
	}
	if failed := exec.RunErrorForError(err); failed != nil {
		log.write(string(failed.Output))
	}
	// An aggregate hides its parts behind "[...]": one line each.
	if all := kinderrors.Errors(err); len(all) > 0 {
		for _, e := range all {
			log.write("ERROR: " + e.Error())
		}
		return err
	}
	log.write("ERROR: " + err.Error())
	return err
}

// lineLogger is kind's logger in plain lines.
type lineLogger struct{ w io.Writer }

func (l lineLogger) write(s string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimRight(line, "\r\n "); line != "" {
			fmt.Fprintln(l.w, line)
		}
	}
}

func (l lineLogger) Warn(s string) {
	// kind warns of the setting by which it is told its network.
	if strings.Contains(s, "KIND_EXPERIMENTAL_DOCKER_NETWORK") || strings.Contains(s, "Here be dragons") {
		return
	}
	l.write(s)
}
func (l lineLogger) Warnf(f string, a ...any)                 { l.Warn(fmt.Sprintf(f, a...)) }
func (l lineLogger) Error(s string)                           { l.write(s) }
func (l lineLogger) Errorf(f string, a ...any)                { l.write(fmt.Sprintf(f, a...)) }
func (l lineLogger) V(level kindlog.Level) kindlog.InfoLogger { return infoLogger{l, level == 0} }

type infoLogger struct {
	lineLogger
	enabled bool
}

func (l infoLogger) Info(s string) {
	if l.enabled {
		l.write(s)
	}
}

func (l infoLogger) Infof(f string, a ...any) {
	if l.enabled {
		l.write(fmt.Sprintf(f, a...))
	}
}
func (l infoLogger) Enabled() bool { return l.enabled }
