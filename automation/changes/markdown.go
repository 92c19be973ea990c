package changes

import (
	"fmt"
	"strings"
)

// MaxMarkdown is the most that a comment on GitHub may hold, in characters.
// Bytes are counted here, which are never fewer.
const MaxMarkdown = 65536

// Markdown renders the report in at most limit bytes, and as nothing when
// nothing changes.
//
// Names and values stand in code, as one line of printable characters between
// more backticks than they hold. In code GitHub knows no mention, no link, no
// HTML and no reference to an issue.
//
// A report that does not fit loses the properties of what is added first, then
// those of what is changed, then whole resources from the end; it says how many.
func (r *Report) Markdown(limit int) string {
	if !r.Changed() {
		return ""
	}
	for detail := everything; ; detail-- {
		m := markdown{limit: limit - reserve - len(r.origin(code)), detail: detail}
		if m.report(r); m.left == 0 || detail == namesOnly {
			return m.finish(r)
		}
	}
}

// reserve is what finish may add to the report's origin, in bytes.
const reserve = 400

// How much of a resource is shown.
const (
	namesOnly    = iota // of what is added or changed
	fewChanged          // at most a few properties of each resource that is changed
	withoutAdded        // no properties of what is added
	fewAdded            // at most a few properties of each resource that is added
	everything
)

const fewProperties = 12

type markdown struct {
	b      strings.Builder
	limit  int // bytes
	detail int
	left   int // resources that did not fit
	loud   int // of these, those that are replaced or removed
	hidden int // properties that were left out
	stacks int // stacks that did not fit
}

// add writes text when it fits.
func (m *markdown) add(text string) bool {
	if m.b.Len()+len(text) > m.limit {
		return false
	}
	m.b.WriteString(text)
	return true
}

func (m *markdown) report(r *Report) {
	m.add("### What this change does to the stacks\n\n")
	if r.loses() {
		m.add("**Something is replaced or removed. What is in it is lost.**\n\n")
	}
	m.add("| stack | replaced | removed | changed | added | unchanged |\n|---|---|---|---|---|---|\n")
	for _, s := range r.Stacks {
		if s.What != Same && !m.add(s.row()) {
			m.stacks++
		}
	}
	m.add("\n")
	for _, s := range r.Stacks {
		if s.What != Same {
			m.stack(s)
		}
	}
}

func (s Stack) row() string {
	name := cell(s.Name)
	switch s.What {
	case Added:
		name += " (new)"
	case Removed:
		name += " **(removed)**"
	}
	cells := []string{name}
	for _, what := range append(order, Same) {
		n := fmt.Sprint(s.Counts.of(what))
		switch {
		case n == "0":
			n = ""
		case loud(what):
			n = "**" + n + "**"
		}
		cells = append(cells, n)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func (m *markdown) stack(s Stack) {
	head := fmt.Sprintf("#### Stack %s: %s\n\n", code(s.Name), s.summary(func(t string) string { return "**" + t + "**" }))
	if s.What == Removed {
		head += "A lab of it that is up stays up. Destroy the lab first.\n\n"
	}
	if s.BaseUnreadable {
		head += unreadableBase + "\n\n"
	}
	fits := m.add(head)
	for _, c := range s.Clusters {
		title := "##### The lab itself\n\n"
		if c.Name != "" {
			title = "##### Cluster " + code(c.Name) + fates[c.What] + "\n\n"
		}
		fits = fits && m.add(title)
		m.resources(c.Resources, fits)
	}
}

// fates are what becomes of a cluster itself.
var fates = map[string]string{
	Replaced: ": **replaced, with everything in it**",
	Removed:  ": **removed, with everything in it**",
	Added:    ": new",
}

// resources writes what fits. Resources without properties to show are listed
// together.
func (m *markdown) resources(all []Resource, fits bool) {
	for i, r := range all {
		if !fits {
			m.skip(r)
			continue
		}
		text, hidden := m.resource(r)
		if len(m.shown(r)) > 0 || i+1 == len(all) || len(m.shown(all[i+1])) > 0 {
			text += "\n" // the end of a list or block
		}
		if i == 0 || all[i-1].What != r.What {
			text = heading(r.What) + text
		}
		if fits = m.add(text); !fits {
			m.skip(r)
			continue
		}
		m.hidden += hidden
	}
	if !fits {
		m.add("\n")
	}
}

func (m *markdown) skip(r Resource) {
	m.left++
	if loud(r.What) {
		m.loud++
	}
}

func heading(what string) string {
	word := strings.ToUpper(words[what][:1]) + words[what][1:]
	if loud(what) {
		return "**" + word + "**\n\n"
	}
	return word + "\n\n"
}

// shown are the properties of r that this level of detail shows.
func (m *markdown) shown(r Resource) []Property {
	none, few := withoutAdded, fewAdded
	if r.What != Added {
		none, few = namesOnly, fewChanged
	}
	switch {
	case loud(r.What):
		return r.Properties
	case m.detail <= none:
		return nil
	case m.detail <= few:
		return r.Properties[:min(fewProperties, len(r.Properties))]
	}
	return r.Properties
}

// resource renders one resource and says how many of its properties it left out.
func (m *markdown) resource(r Resource) (text string, hidden int) {
	name := code(r.Name)
	if loud(r.What) {
		name = "**" + name + "**"
	}
	text = fmt.Sprintf("- %s (%s)%s\n", name, code(r.Type), because(r, code))
	shown := m.shown(r)
	var lines []string
	size := 0
	for i, p := range shown {
		add := propertyLines(r.What, p)
		size += len(strings.Join(add, "\n")) + 1
		if size > m.limit/2 { // it would leave no room for the rest
			shown = shown[:i]
			break
		}
		lines = append(lines, add...)
	}
	hidden = len(r.Properties) - len(shown)
	if len(lines) == 0 {
		return text, hidden
	}
	block := strings.Join(lines, "\n")
	fence := strings.Repeat("`", max(3, longestRun(block)+1))
	return text + fmt.Sprintf("\n%sdiff\n%s\n%s\n", fence, block, fence), hidden
}

func (m *markdown) finish(r *Report) string {
	var notes []string
	if m.stacks > 0 {
		notes = append(notes, fmt.Sprintf("**%d more stacks not shown.**", m.stacks))
	}
	if m.left > 0 {
		text := fmt.Sprintf("**%d more resources not shown", m.left)
		if m.loud > 0 {
			text += fmt.Sprintf(", %d of them replaced or removed", m.loud)
		}
		notes = append(notes, text+".** The report as text or JSON has all.")
	}
	if m.hidden > 0 {
		notes = append(notes, fmt.Sprintf("%d properties are left out to fit the size limit.", m.hidden))
	}
	notes = append(notes, "<sub>"+r.origin(code)+"</sub>")
	return m.b.String() + strings.Join(notes, "\n\n") + "\n"
}

// code is text as a code span of CommonMark.
func code(s string) string {
	s = clip(line(s))
	if strings.TrimSpace(s) == "" {
		return "` `"
	}
	fence := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cell is code inside a table, where a bar ends the cell even in code.
func cell(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }

// longestRun is the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
