package collect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// keys returns private keys in every form that turns up, by name.
func keys(t *testing.T) map[string]string {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"EC":     block("EC PRIVATE KEY", sec1),
		"PKCS#8": block("PRIVATE KEY", pkcs8),
		"RSA":    block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
	}
}

const sampleJWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IkFCQ0QifQ.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwic3ViIjoic3lzdGVtIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi1nb2VzLWhlcmU"

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// traces returns the parts of a secret that must not be left: every long
// enough run of it.
func traces(secret string) []string {
	var out []string
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= 16 && !strings.HasPrefix(line, "-----") {
			out = append(out, line, line[:16], line[len(line)-16:])
		}
	}
	return out
}

func check(t *testing.T, form, text string, secret string) {
	t.Helper()
	got := string(NewRedactor().Redact([]byte(text)))
	for _, trace := range traces(secret) {
		if strings.Contains(got, trace) {
			t.Errorf("%s: %q is left in:\n%s", form, trace, got)
			return
		}
	}
	if strings.Contains(text, "before") && (!strings.Contains(got, "before") || !strings.Contains(got, "after")) {
		t.Errorf("%s: took the surroundings too:\n%s", form, got)
	}
}

func TestKeysByShape(t *testing.T) {
	for kind, key := range keys(t) {
		t.Run(kind, func(t *testing.T) {
			quoted, err := json.Marshal(map[string]string{"key": key})
			if err != nil {
				t.Fatal(err)
			}
			bag, err := yaml.Marshal(map[string]any{"data": map[string]string{"ca-key.pem": b64(key)}})
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode([]byte(key))
			check(t, "raw", "before\n"+key+"after\n", key)
			check(t, "JSON", string(quoted), key)
			check(t, "base64", "before "+b64(key)+" after", b64(key))
			check(t, "base64 of base64", "before "+b64(b64(key))+" after", b64(b64(key)))
			check(t, "secret in YAML", string(bag), b64(key))
			check(t, "indented", "key: |\n    "+strings.ReplaceAll(key, "\n", "\n    ")+"\n", key)
			check(t, "cut off", key[:len(key)-40], key[:len(key)-60])
			check(t, "bare DER", "before "+base64.StdEncoding.EncodeToString(block.Bytes)+" after", base64.StdEncoding.EncodeToString(block.Bytes))
		})
	}
}

func TestTokensByShape(t *testing.T) {
	cases := map[string]string{
		"raw":           "before " + sampleJWT + " after",
		"header":        "before Authorization: Bearer " + sampleJWT + " after",
		"kubeconfig":    "users:\n- name: u\n  user:\n    token: " + sampleJWT + "\n",
		"JSON":          `{"before": 1, "token":"` + sampleJWT + `", "after": 2}`,
		"url-safe":      "before " + base64.RawURLEncoding.EncodeToString([]byte(sampleJWT)) + " after",
		"in a log line": `before info request headers map[authorization:Bearer ` + sampleJWT + `] after`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) { check(t, name, text, sampleJWT) })
	}
	for _, opaque := range []string{"abcdef.0123456789abcdef"} {
		check(t, "bootstrap token", "token: "+opaque, opaque)
	}
}

func TestKubeconfig(t *testing.T) {
	key := keys(t)["EC"]
	kubeconfig := "apiVersion: v1\nkind: Config\nusers:\n- name: kind\n  user:\n    client-certificate-data: " + b64("-----BEGIN CERTIFICATE-----\nMIIB\n") +
		"\n    client-key-data: " + b64(key) + "\n    password: correct-horse-battery\n    token: opaque-token-without-a-shape\n"
	for form, text := range map[string]string{"raw": kubeconfig, "base64": "data: " + b64(kubeconfig) + "\n"} {
		got := string(NewRedactor().Redact([]byte(text)))
		for _, secret := range []string{b64(key)[:24], "correct-horse", "opaque-token", b64(kubeconfig)[:32]} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: %q is left in:\n%s", form, secret, got)
			}
		}
	}
}

// TestWhatIsNoSecretStays: an archive that says nothing is as useless as one
// that says too much.
func TestWhatIsNoSecretStays(t *testing.T) {
	cert := "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIRAOyH8v3Y1Q5jQF0pX6kq3cUwCgYIKoZIzj0EAwIwHTEb\nMBkGA1UEAxMSaW50ZXJtZWRpYXRlIG9mIGMxMB4XDTI2MTEyMjE1MDAwMFoXDTM2\n-----END CERTIFICATE-----\n"
	for name, text := range map[string]string{
		"certificate":        cert,
		"certificate base64": `{"inline_bytes": "` + b64(cert) + `"}`,
		"envoy's own mask":   `{"private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="}}`,
		"prose":              "the token was refused; key: value; a secret: istio-system/cacerts",
		"digest":             "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"a path":             "/var/run/secrets/kubernetes.io/serviceaccount/token",
	} {
		if got := string(NewRedactor().Redact([]byte(text))); got != text {
			t.Errorf("%s was changed to:\n%s", name, got)
		}
	}
}

// TestCanaries: a secret known by value is found in any text, raw and encoded
// at any offset.
func TestCanaries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		canary := rapid.StringMatching(`[A-Za-z0-9]{16,40}`).Draw(t, "canary")
		before := rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "before")
		after := rapid.StringMatching(`[a-z ]{30,50}`).Draw(t, "after")
		r := NewRedactor(canary)
		for form, text := range map[string]string{
			"raw":            before + canary + after,
			"base64":         before + " " + b64(canary) + " " + after,
			"inside base64":  b64(before + canary + after),
			"twice":          b64(b64(before+canary+after) + after),
			"JSON in base64": b64(`{"x":"` + canary + after + `"}`),
		} {
			got := string(r.Redact([]byte(text)))
			for _, trace := range []string{canary, strings.TrimRight(b64(canary), "=")} {
				if strings.Contains(got, trace) {
					t.Fatalf("%s: %q is left in %q", form, trace, got)
				}
			}
			if strings.Contains(form, "base64") && form != "base64" && got == text {
				t.Fatalf("%s: nothing was redacted in %q", form, text)
			}
		}
	})
}
