package collect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"regexp"
	"strings"
	"unicode"
)

// Redactor replaces private keys, tokens and kubeconfig credentials, raw and
// in base64, whatever file they turn up in. Certificates stay: they are public
// and often the point.
type Redactor struct {
	literals []string
}

// mask is what stands in the place of a secret; the kind of it helps a reader.
func mask(kind string) string { return "[redacted " + kind + "]" }

// NewRedactor returns a Redactor that knows some secrets by value besides
// recognizing the rest by shape. Values shorter than 8 bytes are ignored: they
// would blot out ordinary words.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{}
	seen := map[string]bool{}
	add := func(s string) {
		if s = strings.TrimSpace(s); len(s) >= 8 && !seen[s] {
			seen[s] = true
			r.literals = append(r.literals, s)
		}
	}
	for _, s := range secrets {
		if len(strings.TrimSpace(s)) < 8 {
			continue
		}
		add(s)
		quoted, err := json.Marshal(s)
		if err == nil {
			add(strings.Trim(string(quoted), `"`)) // as it stands inside JSON
		}
		for _, form := range []string{s, strings.TrimSpace(s)} {
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				add(e.EncodeToString([]byte(form)))
			}
		}
		if block, _ := pem.Decode([]byte(s)); block != nil {
			add(base64.RawStdEncoding.EncodeToString(block.Bytes)) // the key without its dress
		}
	}
	return r
}

var (
	// A block with its end or, when it is cut off, what looks like its body.
	privateKey = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s\\:,-]*?-----END [A-Z0-9 ]*PRIVATE KEY-----|(?:(?:\s|\\[nr])*[A-Za-z0-9+/]{16,}={0,2})*)`)
	jwt        = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)
	bearer     = regexp.MustCompile(`(?i)(\b(?:authorization:\s*)?bearer\s+)[A-Za-z0-9._~+/=-]{16,}`)
	// A value after a name that says what it is, in YAML, JSON or a shell.
	named = regexp.MustCompile(`(?i)((?:^|[\s"'{,_-])(?:token|password|passphrase|client-key-data|client-certificate-data|id-token|refresh-token|access-token|bearertoken|ca-key\.pem|tls\.key|key\.pem|privatekeypem|private_key)\\?["']?\s*[:=]\s*\\?["']?)([^\s"'{}\[\],\\]{6,})`)
	// Base64 on one line, or wrapped as openssl and PEM wrap it.
	blob = regexp.MustCompile(`[A-Za-z0-9+/_-]{40,}={0,2}(?:(?:\s*\n\s*|\\n)[A-Za-z0-9+/_-]{4,}={0,2})*`)
)

// maxDepth bounds how often base64 inside base64 is opened.
const maxDepth = 4

// Redact returns text without secrets.
func (r *Redactor) Redact(text []byte) []byte {
	return []byte(r.redact(string(text), 0))
}

func (r *Redactor) redact(text string, depth int) string {
	for _, l := range r.literals {
		text = strings.ReplaceAll(text, l, mask("secret"))
	}
	text = jwt.ReplaceAllString(text, mask("token"))
	text = privateKey.ReplaceAllString(text, mask("private key"))
	text = bearer.ReplaceAllString(text, "${1}"+mask("token"))
	text = named.ReplaceAllString(text, "${1}"+mask("value"))
	if depth >= maxDepth {
		return text
	}
	return blob.ReplaceAllStringFunc(text, func(b string) string {
		if r.hides(b, depth) {
			return mask("base64")
		}
		return b
	})
}

// hides reports whether a base64 blob holds a secret once it is decoded, as
// one piece or line by line.
func (r *Redactor) hides(b string, depth int) bool {
	joined := strings.NewReplacer("\n", "", "\r", "", "\t", "", " ", "", `\n`, "").Replace(b)
	for _, candidate := range append([]string{joined}, strings.Fields(strings.ReplaceAll(b, `\n`, "\n"))...) {
		decoded, ok := decode(candidate)
		if !ok {
			continue
		}
		if isKeyDER(decoded) {
			return true
		}
		if text := string(decoded); printable(text) && r.redact(text, depth+1) != text {
			return true
		}
	}
	return false
}

func decode(s string) ([]byte, bool) {
	s = strings.TrimRight(s, "=")
	if len(s)%4 == 1 { // cut off in the middle: drop the odd character
		s = s[:len(s)-1]
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if out, err := e.DecodeString(s); err == nil {
			return out, true
		}
	}
	return nil, false
}

// isKeyDER recognizes private keys in DER by how PKCS#8, PKCS#1 and SEC 1 keys
// begin: a sequence whose first element is the version number 0 or 1, followed
// by an algorithm, a modulus or an octet string. A certificate's first element
// is a sequence.
func isKeyDER(b []byte) bool {
	if len(b) < 32 || b[0] != 0x30 {
		return false
	}
	head := 2
	if b[1]&0x80 != 0 {
		head += int(b[1] & 0x7f)
	}
	if len(b) < head+4 || !bytes.Equal(b[head:head+2], []byte{0x02, 0x01}) || b[head+2] > 1 {
		return false
	}
	switch b[head+3] {
	case 0x30, 0x02, 0x04:
		return true
	}
	return false
}

// printable reports whether decoded bytes are text; binary is not looked into.
func printable(s string) bool {
	for _, c := range s {
		if c == unicode.ReplacementChar || (c < ' ' && c != '\n' && c != '\r' && c != '\t') {
			return false
		}
	}
	return true
}
