package changes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example has one of everything.
func example() *Report {
	r := &Report{Version: Version, Source: Computed, Base: "1111", Head: "the working tree", Stacks: []Stack{
		{Name: "quiet", What: Same, Counts: Counts{Same: 79}},
		{
			Name: "dev", What: Changed, Counts: Counts{Replaced: 2, Removed: 1, Changed: 1, Added: 1, Same: 74},
			Clusters: []Cluster{
				{Name: "cluster1", Resources: []Resource{
					{What: Added, Type: "kubernetes:core/v1:ConfigMap", Name: "cluster1-more", Properties: []Property{{Path: "data.a", New: "b"}}},
					{What: Changed, Type: "kubernetes:core/v1:Namespace", Name: "cluster1-ns", Properties: []Property{
						{Path: "metadata.labels.b", New: "x"}, {Path: "metadata.labels.a", Old: "1", New: "2"},
					}},
					{What: Removed, Type: "kubernetes:core/v1:Service", Name: "cluster1-svc"},
				}},
				{Name: "cluster2", What: Replaced, Resources: []Resource{
					{What: Replaced, Type: "kubernetes:core/v1:Namespace", Name: "cluster2-a"},
					{
						What: Replaced, Type: "meshwright:kind:Cluster", Name: "cluster2-kind", Because: []string{"podSubnet"},
						Properties: []Property{{Path: "podSubnet", Old: "10.1.0.0/16", New: "10.2.0.0/16", Replaces: true}},
					},
				}},
			},
		},
		{Name: "old", What: Removed, Counts: Counts{Removed: 3}},
		{Name: "new", What: Added, Counts: Counts{Added: 2}},
	}}
	r.Sort()
	return r
}

func TestMarkdown(t *testing.T) {
	want := strings.ReplaceAll(`### What this change does to the stacks

**Something is replaced or removed. What is in it is lost.**

| stack | replaced | removed | changed | added | unchanged |
|---|---|---|---|---|---|
| 'dev' | **2** | **1** | 1 | 1 | 74 |
| 'new' (new) |  |  |  | 2 |  |
| 'old' **(removed)** |  | **3** |  |  |  |

#### Stack 'dev': **2 replaced**, **1 removed**, 1 changed, 1 added, 74 unchanged

##### Cluster 'cluster1'

**Removed**

- **'cluster1-svc'** ('kubernetes:core/v1:Service')

Changed

- 'cluster1-ns' ('kubernetes:core/v1:Namespace')

'''diff
~ metadata.labels.a: "1" -> "2"
+ metadata.labels.b: "x"
'''

Added

- 'cluster1-more' ('kubernetes:core/v1:ConfigMap')

'''diff
+ data.a: "b"
'''

##### Cluster 'cluster2': **replaced, with everything in it**

**Replaced**

- **'cluster2-kind'** ('meshwright:kind:Cluster') because of 'podSubnet'

'''diff
! podSubnet: "10.1.0.0/16" -> "10.2.0.0/16"
'''

- **'cluster2-a'** ('kubernetes:core/v1:Namespace')

#### Stack 'new': a new stack, 2 added

#### Stack 'old': **the stack's settings are removed**, **3 removed**

A lab of it that is up stays up. Destroy the lab first.

<sub>Computed from '1111' to 'the working tree': both programs were run against simulated providers. It is not a diff of anything that runs.</sub>
`, "'", "`")
	want = strings.Replace(want, "stack`s", "stack's", 1)
	if diff := cmp.Diff(want, example().Markdown(MaxMarkdown)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingChanges(t *testing.T) {
	r := &Report{Version: Version, Source: Computed, Stacks: []Stack{{Name: "dev", What: Same, Counts: Counts{Same: 79}}}}
	if r.Changed() || r.Destructive() {
		t.Error("something changes")
	}
	if text := r.Markdown(MaxMarkdown); text != "" {
		t.Errorf("markdown: %q", text)
	}
	var b bytes.Buffer
	if err := r.Text(&b); err != nil || b.String() != "Nothing changes.\n" {
		t.Errorf("text: %q, %v", b.String(), err)
	}
}

// hostile are texts that do something where they are not taken for text.
var hostile = []string{
	"@octocat please review", "see #1 and GH-2 and octo/cat#3", "<script>alert(1)</script>", "<img src=x onerror=y>", "<!-- meshwright:diff -->",
	"[click](https://evil.invalid)", "![x](https://evil.invalid/x.png)", "https://evil.invalid", "**bold** _it_ ~~no~~", "| a | b |", "`@octocat`",
	"```\n@octocat\n```", "````\n</details>\n````", "a\n\n# heading @octocat", "\r\n- item", "\u202e@octocat\u2066", "\x1b[31mred", "\x00", "\u200b", "$\\LaTeX$", "\xff",
	"- [ ] task", "</sub></code>@octocat", "``` ` ````` @octocat", strings.Repeat("`", 5000),
}

// outside is Markdown without what stands in code: fenced blocks and code spans,
// as CommonMark finds them.
func outside(t *testing.T, markdown string) string {
	t.Helper()
	var out strings.Builder
	fence := ""
	for l := range strings.Lines(markdown) {
		l = strings.TrimSuffix(l, "\n")
		run := l[:len(l)-len(strings.TrimLeft(l, "`"))]
		if fence != "" {
			if len(run) >= len(fence) && strings.TrimSpace(l[len(run):]) == "" {
				fence = ""
			}
			continue
		}
		if len(run) >= 3 && !strings.Contains(l[len(run):], "`") {
			fence = run
			continue
		}
		for {
			at := strings.IndexByte(l, '`')
			if at < 0 {
				break
			}
			open := l[at:]
			open = open[:len(open)-len(strings.TrimLeft(open, "`"))]
			rest, end := l[at+len(open):], -1
			for i := 0; i < len(rest); {
				if rest[i] != '`' {
					i++
					continue
				}
				n := len(rest[i:]) - len(strings.TrimLeft(rest[i:], "`"))
				if n == len(open) {
					end = i
					break
				}
				i += n
			}
			if end < 0 {
				t.Fatalf("code that does not end: %q", l)
			}
			out.WriteString(l[:at])
			l = rest[end+len(open):]
		}
		out.WriteString(l + "\n")
	}
	if fence != "" {
		t.Fatal("a block that does not end")
	}
	return out.String()
}

func TestHostileTextStaysText(t *testing.T) {
	for _, text := range hostile {
		r := &Report{Version: Version, Source: Computed, Base: text, Head: text, Stacks: []Stack{{
			Name: text, What: Changed, Counts: Counts{Replaced: 2},
			Clusters: []Cluster{{Name: text, What: Replaced, Resources: []Resource{{
				What: Replaced, Type: text, Name: text, Because: []string{text},
				Properties: []Property{
					{Path: text, Old: text, New: text + "x"},
					{Path: text + "2", Old: "a\n" + text, New: "b\n" + text + "\n" + text},
					{Path: "3", New: map[string]any{text: []any{text}}},
				},
			}, {What: Replaced, Type: text, Name: text + "2"}}}},
		}, {Name: text + "removed", What: Removed, Counts: Counts{Removed: 1}}}}
		// Wherever it is cut, and however long the origin is, it fits.
		for limit := 4000; limit < MaxMarkdown; limit += limit / 4 {
			if cut := r.Markdown(limit); len(cut) > limit {
				t.Errorf("%.20q gives %d bytes of at most %d", text, len(cut), limit)
			} else {
				outside(t, cut) // every block ends
			}
		}
		got := r.Markdown(MaxMarkdown)
		rest := outside(t, got)
		for _, bad := range []string{"@", "#1", "GH-", "octo", "<script", "<img", "<!--", "evil", "\x1b", "\u202e", "\x00", "[", "alert"} {
			if strings.Contains(rest, bad) {
				t.Errorf("%q gives %q outside code: %q", text, bad, rest)
			}
		}
		if i := strings.IndexFunc(strings.ReplaceAll(got, "\n", ""), hidden); i >= 0 {
			t.Errorf("%q gives an invisible character: %q", text, got)
		}
	}
}

// TestOutside: the test's own reader of Markdown sees what is not in code.
func TestOutside(t *testing.T) {
	got := outside(t, "a `b` c ``d ` e`` f\n```diff\n@x\n```\n@y\n")
	if diff := cmp.Diff("a  c  f\n@y\n", got); diff != "" {
		t.Error(diff)
	}
}

func TestMarkdownIsCutHonestly(t *testing.T) {
	for name, tc := range map[string]struct {
		resources, properties int
		what                  string
		size                  int // of a value
		loud                  bool
	}{
		"many added":      {resources: 3000, properties: 5, what: Added, size: 20},
		"many changed":    {resources: 3000, properties: 5, what: Changed, size: 20},
		"many replaced":   {resources: 5000, properties: 1, what: Replaced, size: 20, loud: true},
		"long values":     {resources: 10, properties: 500, what: Changed, size: 5000},
		"a huge resource": {resources: 1, properties: 20000, what: Changed, size: 100},
	} {
		t.Run(name, func(t *testing.T) {
			s := Stack{Name: "dev", What: Changed, Clusters: []Cluster{{Name: "cluster1"}}}
			for i := range tc.resources {
				r := Resource{What: tc.what, Type: "t:m:T", Name: fmt.Sprintf("cluster1-%05d", i)}
				for j := range tc.properties {
					r.Properties = append(r.Properties, Property{Path: fmt.Sprintf("p%05d", j), New: strings.Repeat("ä", tc.size)})
				}
				s.Counts.Add(tc.what)
				s.Clusters[0].Resources = append(s.Clusters[0].Resources, r)
			}
			report := &Report{Version: Version, Source: Computed, Base: "a", Head: "b", Stacks: []Stack{s}}
			got := report.Markdown(MaxMarkdown)
			if len(got) > MaxMarkdown {
				t.Errorf("%d bytes", len(got))
			}
			if len(got) < MaxMarkdown/4 {
				t.Errorf("only %d bytes: room is given away", len(got))
			}
			outside(t, got) // every block ends
			shown := strings.Count(got, "- `cluster1-") + strings.Count(got, "- **`cluster1-")
			var left int
			if _, after, ok := strings.Cut(got, "\n**"); ok && strings.Contains(got, "more resources not shown") {
				i := strings.Index(got, " more resources not shown")
				_, err := fmt.Sscanf(got[strings.LastIndex(got[:i], "**")+2:], "%d", &left)
				if err != nil {
					t.Fatal(err, after[:10])
				}
			}
			if shown+left != tc.resources {
				t.Errorf("%d shown and %d said to be left of %d", shown, left, tc.resources)
			}
			if tc.loud != strings.Contains(got, "of them replaced or removed") {
				t.Error("what is loud is not counted among what is left out")
			}
			if strings.Count(got, "+ p") < tc.resources*tc.properties && !strings.Contains(got, "properties are left out") && left == 0 {
				t.Error("properties are missing without a word")
			}
			if !strings.Contains(got, "simulated providers") {
				t.Error("the cut took the label")
			}
		})
	}
}

func TestManyStacks(t *testing.T) {
	r := &Report{Version: Version, Source: Computed}
	for i := range 5000 {
		r.Stacks = append(r.Stacks, Stack{Name: fmt.Sprintf("stack-%d", i), What: Added, Counts: Counts{Added: 1}})
	}
	if got := r.Markdown(MaxMarkdown); len(got) > MaxMarkdown || !strings.Contains(got, "more stacks not shown") {
		t.Errorf("%d bytes: ...%s", len(got), got[len(got)-300:])
	}
}

// TestOneOrder: the order in which things were found makes no difference.
func TestOneOrder(t *testing.T) {
	want := example()
	for range 20 {
		r := example()
		rand.Shuffle(len(r.Stacks), func(i, j int) { r.Stacks[i], r.Stacks[j] = r.Stacks[j], r.Stacks[i] })
		for _, s := range r.Stacks {
			rand.Shuffle(len(s.Clusters), func(i, j int) { s.Clusters[i], s.Clusters[j] = s.Clusters[j], s.Clusters[i] })
			for _, c := range s.Clusters {
				rand.Shuffle(len(c.Resources), func(i, j int) { c.Resources[i], c.Resources[j] = c.Resources[j], c.Resources[i] })
			}
		}
		r.Sort()
		if diff := cmp.Diff(want, r); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestDecode(t *testing.T) {
	var b bytes.Buffer
	if err := example().JSON(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	got, err := Decode(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example().Markdown(MaxMarkdown), got.Markdown(MaxMarkdown)); diff != "" {
		t.Error(diff)
	}
	if _, err := Decode(strings.NewReader(text), int64(len(text)-1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for _, bad := range []string{
		"", "{", `{"version":2}`, `[]`, `{"version":1,"stacks":7}`, `{"version":1,"stacks":[{"what":"@octocat"}]}`,
		`{"version":1,"stacks":[{"what":"update","clusters":[{"resources":[{"what":""}]}]}]}`,
	} {
		if _, err := Decode(strings.NewReader(bad), 1000); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestSecrets(t *testing.T) {
	key := "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA\n-----END KEY-----\n"
	kubeconfig := "users:\n- name: kind-x\n  user:\n    token: \"s3cr3tT0kenOfManyCharacters12345\"\n"
	b64 := base64.StdEncoding.EncodeToString
	var s Secrets
	for _, secret := range []string{"hunter22", "ab1", key, kubeconfig, ""} {
		s.Add(secret)
	}
	for name, tc := range map[string]struct{ in, want string }{
		"itself":              {"hunter22", Secret},
		"inside":              {"--password=hunter22 --x", "--password=" + Secret + " --x"},
		"twice":               {"hunter22hunter22", Secret + Secret},
		"in base64":           {b64([]byte("user:hunter22")), Secret},
		"in base64 in base64": {b64([]byte(b64([]byte("user:hunter22")))), Secret},
		"short, alone":        {"ab1", Secret},
		"short, in a word":    {"lab1", "lab1"},
		"a line of a key":     {"  MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA", "  " + Secret},
		"a token of a file":   {"Bearer s3cr3tT0kenOfManyCharacters12345", "Bearer " + Secret},
		"a name of a file":    {"kind-x", "kind-x"},
		"nothing":             {"cluster1", "cluster1"},
	} {
		if got := s.Mask(tc.in); got != tc.want {
			t.Errorf("%s: %q became %q, want %q", name, tc.in, got, tc.want)
		}
	}
	var none *Secrets
	if got := none.Mask("x"); got != "x" {
		t.Errorf("no secrets: %q", got)
	}
}

func TestLongTextsShowTheLinesThatDiffer(t *testing.T) {
	lines := propertyLines(Changed, Property{Path: "script", Old: "a\nb\nc\n", New: "a\nB\nc\n"})
	if diff := cmp.Diff([]string{"~ script:", "-   b", "+   B"}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestJSONKeepsItsFormat(t *testing.T) {
	var b bytes.Buffer
	if err := example().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["version"] != 1.0 || got["source"] != "computed" || len(got["stacks"].([]any)) != 4 {
		t.Errorf("got %v", got)
	}
}
