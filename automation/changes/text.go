package changes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text writes the report for a terminal: one line when nothing changes.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	if !r.Changed() {
		_, err := io.WriteString(w, "Nothing changes.\n")
		return err
	}
	for _, s := range r.Stacks {
		if s.What == Same {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", line(s.Name), s.summary(func(loud string) string { return strings.ToUpper(loud) }))
		if s.BaseUnreadable {
			fmt.Fprintf(&b, "  %s\n", unreadableBase)
		}
		for _, c := range s.Clusters {
			fmt.Fprintf(&b, "  %s%s\n", line(cmp.Or(c.Name, "lab")), clusterFate(c.What))
			for _, res := range c.Resources {
				word := words[res.What]
				if loud(res.What) {
					word = strings.ToUpper(word)
				}
				fmt.Fprintf(&b, "    %s %s (%s)%s\n", word, line(res.Name), line(res.Type), because(res, line))
				for _, p := range res.Properties {
					for _, l := range propertyLines(res.What, p) {
						fmt.Fprintf(&b, "      %s\n", l)
					}
				}
			}
		}
	}
	fmt.Fprintf(&b, "%s\n", r.origin(line))
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes the report as it is.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// words are the participles of what becomes of something.
var words = map[string]string{Replaced: "replaced", Removed: "removed", Changed: "changed", Added: "added"}

func loud(what string) bool { return what == Replaced || what == Removed }

// origin says where the report comes from.
func (r *Report) origin(name func(string) string) string {
	if r.Source == Live {
		return "From a preview on the lab's own state."
	}
	return fmt.Sprintf("Computed from %s to %s: both programs were run against simulated providers. It is not a diff of anything that runs.",
		name(r.Base), name(r.Head))
}

// summary is "2 replaced, 1 changed, 76 unchanged"; loud marks what is destructive.
func (s Stack) summary(mark func(string) string) string {
	var parts []string
	switch s.What {
	case Added:
		parts = append(parts, "a new stack")
	case Removed:
		parts = append(parts, mark("the stack's settings are removed"))
	}
	for _, what := range order {
		if n := s.Counts.of(what); n > 0 {
			text := fmt.Sprintf("%d %s", n, words[what])
			if loud(what) {
				text = mark(text)
			}
			parts = append(parts, text)
		}
	}
	if s.Counts.Same > 0 {
		parts = append(parts, fmt.Sprintf("%d unchanged", s.Counts.Same))
	}
	return strings.Join(parts, ", ")
}

func clusterFate(what string) string {
	switch what {
	case Replaced:
		return ": the cluster is REPLACED, with everything in it"
	case Removed:
		return ": the cluster is REMOVED, with everything in it"
	case Added:
		return ": a new cluster"
	}
	return ""
}

// because names the properties that force a replacement.
func because(r Resource, name func(string) string) string {
	if len(r.Because) == 0 {
		return ""
	}
	var names []string
	for i, path := range r.Because {
		if i == 5 {
			names = append(names, fmt.Sprintf("%d more", len(r.Because)-i))
			break
		}
		names = append(names, name(path))
	}
	return " because of " + strings.Join(names, ", ")
}

// propertyLines shows a property in lines that begin with +, - or !, none of
// which holds anything but printable characters.
func propertyLines(what string, p Property) []string {
	mark, path := "~", line(p.Path)
	if p.Replaces {
		mark = "!"
	}
	old, isOld := p.Old.(string)
	now, isNew := p.New.(string)
	switch {
	case what == Added || p.Old == nil && p.New != nil:
		return []string{fmt.Sprintf("+ %s: %s", path, value(p.New))}
	case p.New == nil && p.Old != nil:
		return []string{fmt.Sprintf("- %s: %s", path, value(p.Old))}
	case isOld && isNew && strings.Contains(old+now, "\n"):
		out := []string{fmt.Sprintf("%s %s:", mark, path)}
		return append(out, lineDiff(old, now)...)
	case p.Old == nil && p.New == nil:
		return []string{fmt.Sprintf("%s %s", mark, path)}
	}
	before, after := value(p.Old), value(p.New)
	if before == after && before != Secret && before != Unknown {
		after += " (another one)" // apart only beyond what is shown
	}
	return []string{fmt.Sprintf("%s %s: %s -> %s", mark, path, before, after)}
}

// The bounds of what is shown of one value.
const (
	maxValue = 400 // bytes
	maxLines = 40
)

// lineDiff shows the lines that differ between two texts: those between what
// both begin and end with.
func lineDiff(old, now string) []string {
	a, b := strings.Split(old, "\n"), strings.Split(now, "\n")
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var out []string
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", a}, {"+", b}} {
		for i, l := range side.lines {
			if i == maxLines {
				out = append(out, fmt.Sprintf("%s   ... %d more lines", side.mark, len(side.lines)-i))
				break
			}
			out = append(out, side.mark+"   "+clip(line(l)))
		}
	}
	return out
}

// value is a value in one line.
func value(v any) string {
	switch v {
	case Secret, Unknown:
		return v.(string)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "?" // no value of a report does that
	}
	return clip(line(strings.TrimSuffix(b.String(), "\n")))
}

func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	cut := maxValue
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes more)", s[:cut], len(s)-cut)
}

// line makes text one line of printable characters: line breaks, control and
// formatting characters, which could hide or reorder what is shown, are escaped.
func line(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case hidden(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return r == utf8.RuneError || r != ' ' && !unicode.IsPrint(r) }
