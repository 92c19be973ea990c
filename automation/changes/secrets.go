package changes

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Secrets are texts that must not be shown, wherever they turn up: a program can
// put a secret into a string that is none. The zero value is ready; its methods
// may be called from several goroutines.
type Secrets struct {
	mu     sync.Mutex
	inside map[string]bool // masked wherever they stand
	whole  map[string]bool // masked where they stand alone: too short to tell from a part of a word
	sorted []string        // inside, the longest first; nil when out of date
}

// shortest is the length from which a secret is masked inside other text too.
const shortest = 6

// keyWord is a word of a key, certificate or token, which may turn up indented
// or quoted again. Words without digits and both cases are names.
var keyWord = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]{24,}$`)

func isKey(word string) bool {
	return keyWord.MatchString(word) && strings.ContainsAny(word, "0123456789") &&
		strings.ToLower(word) != word && strings.ToUpper(word) != word
}

// Add takes note of a secret.
func (s *Secrets) Add(text string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside == nil {
		s.inside, s.whole = map[string]bool{}, map[string]bool{}
	}
	if len(trimmed) < shortest {
		s.whole[trimmed] = true
		return
	}
	s.inside[trimmed] = true
	for word := range strings.FieldsSeq(trimmed) {
		if word = strings.Trim(word, `"',`); isKey(word) {
			s.inside[word] = true
		}
	}
	s.sorted = nil
}

// Mask returns text without the secrets in it. A text that holds one in base64
// is masked as a whole.
func (s *Secrets) Mask(text string) string {
	if s == nil {
		return text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sorted == nil {
		for secret := range s.inside {
			s.sorted = append(s.sorted, secret)
		}
		slices.SortFunc(s.sorted, func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a) // a secret may hold another one
			}
			return strings.Compare(a, b)
		})
	}
	if s.whole[strings.TrimSpace(text)] || s.encoded(text, 3) {
		return Secret
	}
	for _, secret := range s.sorted {
		text = strings.ReplaceAll(text, secret, Secret)
	}
	return text
}

// encoded looks through layers of base64: a remote secret holds a token inside
// an encoded kubeconfig.
func (s *Secrets) encoded(text string, layers int) bool {
	text = strings.TrimSpace(text)
	if layers == 0 || len(text) < 4 {
		return false
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		decoded, err := encoding.DecodeString(text)
		if err != nil {
			continue
		}
		plain := string(decoded)
		if s.whole[strings.TrimSpace(plain)] || slices.ContainsFunc(s.sorted, func(secret string) bool { return strings.Contains(plain, secret) }) {
			return true
		}
		if s.encoded(plain, layers-1) {
			return true
		}
	}
	return false
}
