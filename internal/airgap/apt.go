package airgap

import (
	"bufio"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// aptSource is one repository of the machine's apt configuration.
type aptSource struct {
	URI        string
	Suite      string
	Components []string
	SignedBy   string // a keyring's path; empty when the source has none or embeds a key
}

// mirror is where Debian packages come from, as the machine's own apt sources say.
type mirror struct {
	URI         string
	SecurityURI string // empty when the machine has no security source
	Keyring     string
}

const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// findMirror picks the Debian mirror for suite from the machine's apt sources
// below root ("/"). A source of another Debian release will do: a mirror has all
// releases.
func findMirror(root, suite string) (mirror, error) {
	sources, err := readAptSources(root)
	if err != nil {
		return mirror{}, err
	}
	var m mirror
	releases := []string{suite, "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"}
	rank := len(releases)
	for _, s := range sources {
		if !slices.Contains(s.Components, "main") {
			continue
		}
		if base, ok := strings.CutSuffix(s.Suite, "-security"); ok && slices.Contains(releases, base) {
			if m.SecurityURI == "" || base == suite {
				m.SecurityURI = s.URI
			}
			continue
		}
		if at := slices.Index(releases, s.Suite); at >= 0 && at < rank {
			rank, m.URI, m.Keyring = at, s.URI, s.SignedBy
		}
	}
	if m.URI == "" {
		return m, fmt.Errorf("the machine's apt sources (%s) have no Debian mirror: the airgap kit is built from Debian %s packages; add a Debian source, or use `--artifacts registry`",
			filepath.Join(root, "etc/apt"), suite)
	}
	if m.Keyring == "" {
		m.Keyring = debianKeyring
	}
	if _, err := os.Stat(filepath.Join(root, m.Keyring)); err != nil {
		return m, fmt.Errorf("the keyring of the Debian mirror: %w; run `apt-get install debian-archive-keyring`", err)
	}
	return m, nil
}

// readAptSources reads sources.list and sources.list.d, in both of apt's formats.
// Disabled entries and source packages are left out.
func readAptSources(root string) ([]aptSource, error) {
	paths := []string{filepath.Join(root, "etc/apt/sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		found, err := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d", pattern))
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	var out []aptSource
	for _, path := range paths {
		data, err := os.ReadFile(path) //nolint:gosec // the machine's own configuration
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the apt sources: %w", err)
		}
		if strings.HasSuffix(path, ".sources") {
			out = append(out, parseDeb822(string(data))...)
		} else {
			out = append(out, parseOneLine(string(data))...)
		}
	}
	return out, nil
}

// parseOneLine reads sources.list(5)'s one-line format:
//
//	deb [option=value ...] uri suite component ...
func parseOneLine(text string) []aptSource {
	var out []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == strings.TrimLeft(rest, " \t") {
			continue
		}
		rest = strings.TrimSpace(rest)
		var s aptSource
		if options, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]"); ok && strings.HasPrefix(rest, "[") {
			rest = after
			for _, o := range strings.Fields(options) {
				if v, ok := strings.CutPrefix(o, "signed-by="); ok {
					s.SignedBy = keyringPath(v)
				}
			}
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		s.URI, s.Suite, s.Components = strings.TrimRight(fields[0], "/"), fields[1], fields[2:]
		out = append(out, s)
	}
	return out
}

// aptComment is a comment or a blank line of sources.list(5)'s deb822 format.
var aptComment = regexp.MustCompile(`(?m)^(#.*\n|[ \t]+$)`)

// parseDeb822 reads sources.list(5)'s deb822 format: stanzas of fields, in the form of
// mail headers. A stanza that is malformed ends the reading.
func parseDeb822(text string) []aptSource {
	var out []aptSource
	stanzas := textproto.NewReader(bufio.NewReader(strings.NewReader(aptComment.ReplaceAllString(text+"\n", "") + "\n")))
	for {
		fields, err := stanzas.ReadMIMEHeader()
		if err != nil {
			return out
		}
		if !slices.Contains(strings.Fields(fields.Get("Types")), "deb") || strings.EqualFold(fields.Get("Enabled"), "no") {
			continue
		}
		for _, uri := range strings.Fields(fields.Get("URIs")) {
			for _, suite := range strings.Fields(fields.Get("Suites")) {
				out = append(out, aptSource{
					URI: strings.TrimRight(uri, "/"), Suite: suite,
					Components: strings.Fields(fields.Get("Components")), SignedBy: keyringPath(fields.Get("Signed-By")),
				})
			}
		}
	}
}

// keyringPath keeps a Signed-By value only when it is a file: it may also be a
// fingerprint or a whole key.
func keyringPath(v string) string {
	if first, _, _ := strings.Cut(v, ","); strings.HasPrefix(first, "/") {
		return strings.Fields(first)[0]
	}
	return ""
}

// lines are apt sources for suite and its updates, for use inside an image.
func (m mirror) lines(suite string) string {
	var b strings.Builder
	line := func(uri, suite string) {
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s main\n", debianKeyring, uri, suite)
	}
	line(m.URI, suite)
	line(m.URI, suite+"-updates")
	if m.SecurityURI != "" {
		line(m.SecurityURI, suite+"-security")
	}
	return b.String()
}
