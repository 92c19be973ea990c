package airgap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAptSources(t *testing.T) {
	const deb822 = `# comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components:
 main
Enabled: yes
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no
 	
Types: deb-src
URIs: http://src.example/debian
Suites: bookworm
Components: main
`
	const oneLine = `# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/key.gpg] http://mirror.example/debian bookworm main contrib # tail
deb-src http://mirror.example/debian bookworm main
	deb http://mirror.example/debian-security bookworm-security main

debug nonsense
deb http://flat.example/ ./
`
	key := "/usr/share/keyrings/debian-archive-keyring.gpg"
	tests := map[string]struct {
		got, want []aptSource
	}{
		"deb822": {parseDeb822(deb822), []aptSource{
			{"http://mirror.example/debian", "bookworm", []string{"main", "contrib"}, key},
			{"http://mirror.example/debian", "bookworm-updates", []string{"main", "contrib"}, key},
			{"http://mirror.example/debian-security", "bookworm-security", []string{"main"}, ""},
		}},
		"one line": {parseOneLine(oneLine), []aptSource{
			{"http://mirror.example/debian", "bookworm", []string{"main", "contrib"}, "/etc/apt/key.gpg"},
			{"http://mirror.example/debian-security", "bookworm-security", []string{"main"}, ""},
			{"http://flat.example", "./", []string{}, ""},
		}},
		"empty": {parseDeb822(""), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFindMirror(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  mirror
		fails string
	}{
		"the suite itself wins over another release": {
			files: map[string]string{
				"sources.list":             "deb http://new.example/debian trixie main\ndeb http://own.example/debian bookworm main\n",
				"sources.list.d/x.sources": "Types: deb\nURIs: http://sec.example\nSuites: bookworm-security\nComponents: main\n",
			},
			want: mirror{"http://own.example/debian", "http://sec.example", debianKeyring},
		},
		"another release's mirror serves": {
			files: map[string]string{"sources.list": "deb [signed-by=/keys/k.gpg] http://new.example/debian trixie main\n"},
			want:  mirror{"http://new.example/debian", "", "/keys/k.gpg"},
		},
		"third-party source is no mirror": {
			files: map[string]string{"sources.list.d/node.list": "deb http://other.example/node nodistro main\n"},
			fails: "have no Debian mirror",
		},
		"no sources": {fails: "have no Debian mirror"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, f := range []string{debianKeyring, "/keys/k.gpg"} {
				writeFile(t, filepath.Join(root, f), "key")
			}
			for f, text := range tc.files {
				writeFile(t, filepath.Join(root, "etc/apt", f), text)
			}
			got, err := findMirror(root, "bookworm")
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("error %v, want %q", err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFindMirrorNeedsItsKeyring(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "etc/apt/sources.list"), "deb http://own.example/debian bookworm main\n")
	if _, err := findMirror(root, "bookworm"); err == nil || !strings.Contains(err.Error(), "debian-archive-keyring") {
		t.Errorf("error %v does not say what to install", err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
