package verify

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshwright/meshwright/mesh"
)

var trust = Check{
	ID:       CheckTrust,
	Title:    "one root of trust",
	Proves:   "every proxy's certificate chain verifies at the root that all proxies trust, through the intermediate of its control plane",
	Deadline: 15 * time.Second,
	Reasons: []Cause{
		workloadMissing,
		{
			ReasonNoIdentity, "a proxy holds no certificate",
			Remedy{Text: "the proxy could not get a certificate from its control plane", Command: "kubectl logs POD -n NAMESPACE -c istio-proxy"},
		},
		{
			ReasonRootsDiffer, "two proxies do not trust each other's root",
			Remedy{
				Object: "secret istio-system/cacerts of every control plane",
				Text:   "give all control planes intermediates of one root, then restart istiod and the workloads",
			},
		},
		{
			ReasonCertificateExpired, "a certificate is expired or not yet valid",
			Remedy{
				Object: "the clock of the machine and secret istio-system/cacerts",
				Text:   "restart the pod to get a new certificate",
			},
		},
		{
			ReasonChainInvalid, "a chain does not lead to the root that its own mesh trusts",
			Remedy{
				Object: "secret istio-system/cacerts",
				Text:   "the bundle is inconsistent: cert-chain.pem must lead from ca-cert.pem to root-cert.pem",
			},
		},
		{
			ReasonNoIntermediate, "a certificate is signed by the root itself",
			Remedy{
				Object: "secret istio-system/cacerts",
				Text:   "the secret is missing or was created after istiod started; create it, then restart istiod",
			},
		},
		{
			ReasonWrongIssuer, "a certificate is signed by another CA than the one of its control plane",
			Remedy{Text: "the certificate is older than the CA of its control plane, or comes from another one; restart the pod"},
		},
		{
			ReasonTrustDomainMismatch, "there is more than one trust domain",
			Remedy{Text: "set the same meshConfig.trustDomain in all clusters, or trustDomainAliases"},
		},
		{
			ReasonWrongIdentity, "a certificate does not have the SPIFFE name of the pod's service account",
			Remedy{Text: "the proxy holds the certificate of another workload; restart the pod"},
		},
		{
			ReasonRootsMixed, "warning: there are several roots, and all proxies trust all of them",
			Remedy{Text: "a root rotation is in progress; finish it by removing the old root"},
		},
	},
	run: checkTrust,
}

// Reasons of check "trust".
const (
	ReasonNoIdentity          Reason = "NoIdentity"
	ReasonRootsDiffer         Reason = "RootsDiffer"
	ReasonCertificateExpired  Reason = "CertificateExpired"
	ReasonChainInvalid        Reason = "ChainInvalid"
	ReasonNoIntermediate      Reason = "NoIntermediate"
	ReasonWrongIssuer         Reason = "WrongIssuer"
	ReasonTrustDomainMismatch Reason = "TrustDomainMismatch"
	ReasonWrongIdentity       Reason = "WrongIdentity"
	ReasonRootsMixed          Reason = "RootsMixed"
)

// TrustData is what check "trust" measured.
type TrustData struct {
	TrustDomain   string            `json:"trustDomain,omitempty"`
	Roots         []string          `json:"roots"`         // SHA-256 of each distinct trusted root, hex
	Intermediates map[string]string `json:"intermediates"` // control plane -> SHA-256 of the CA that it signs with
	Proxies       int               `json:"proxies"`
	Expires       time.Time         `json:"expires"` // the earliest end among the chains
}

// holder is a proxy with its identity.
type holder struct {
	proxy
	identity
}

// checkTrust verifies every running proxy's chain as its peers would: against
// the trust bundles that are in force anywhere in the mesh.
func checkTrust(ctx context.Context, m *session, out *outcome) {
	var mu sync.Mutex
	var holders []holder
	issuers := map[string][]*x509.Certificate{} // control plane -> CAs that its istiods sign with
	m.each(func(c *member) {
		if c.primary() {
			cas, err := m.issuers(ctx, c)
			if err != nil {
				out.add(unreachable(c, "istiod", err), logEvidence(c, systemNamespace, istiodSelector, "discovery"))
			}
			mu.Lock()
			issuers[c.Name] = cas
			mu.Unlock()
		}
		found, ok := m.holders(ctx, c, out)
		if ok {
			mu.Lock()
			holders = append(holders, found...)
			mu.Unlock()
		}
	})
	slices.SortFunc(holders, func(a, b holder) int {
		return strings.Compare(a.member.Name+a.object(), b.member.Name+b.object())
	})
	data := judgeTrust(holders, issuers, time.Now(), out)
	out.data = data
	out.summary = fmt.Sprintf("%d proxies verify at one root (%s), through %s",
		data.Proxies, short(data.Roots), count(len(data.Intermediates), "intermediate"))
}

func short(roots []string) string {
	if len(roots) == 0 {
		return "none"
	}
	return "sha256 " + roots[0][:12]
}

// holders reads the identity of every proxy of c. It reports false when the
// list of proxies could not be read.
func (m *session) holders(ctx context.Context, c *member, out *outcome) ([]holder, bool) {
	proxies, err := m.proxies(ctx, c)
	if err != nil {
		out.add(unreachable(c, "", err))
		return nil, false
	}
	for _, want := range m.expectedRoles(c) {
		found := false
		for _, p := range proxies {
			found = found || p.role == want
		}
		if !found {
			out.add(Finding{
				Reason: ReasonWorkloadMissing, Cluster: c.Name, Object: string(want),
				Message: fmt.Sprintf("no running %s pod of %s in namespace %s", want, m.workload.Service, m.workload.Namespace),
			})
		}
	}
	list := make([]*holder, len(proxies))
	var wg group
	for i, p := range proxies {
		wg.Go(func() {
			dump, err := p.admin(ctx, "/config_dump?resource=dynamic_active_secrets")
			if err != nil {
				out.add(unreachable(c, p.object(), err), proxyLogEvidence(c, mesh.Ref(&p.pod)))
				return
			}
			id, err := parseIdentity(dump)
			if err != nil {
				out.add(Finding{Reason: ReasonNoIdentity, Cluster: c.Name, Object: p.object(), Message: err.Error()},
					proxyLogEvidence(c, mesh.Ref(&p.pod)))
				return
			}
			list[i] = &holder{proxy: p, identity: *id}
		})
	}
	wg.Wait()
	var found []holder
	for _, h := range list {
		if h != nil {
			found = append(found, *h)
		}
	}
	return found, true
}

// expectedRoles says which workload pods must run in c. Whether gateways run
// is checked by "control-plane".
func (m *session) expectedRoles(c *member) []role {
	var out []role
	if m.workload.Empty() {
		return out
	}
	out = append(out, roleClient)
	if len(m.workload.Versions[c.Name]) > 0 {
		out = append(out, roleServer)
	}
	return out
}

// issuers returns the CA certificates with which the istiods of a primary
// sign, learnt from the certificate that each serves its proxies with: istiod
// signs it with the same key.
func (m *session) issuers(ctx context.Context, c *member) ([]*x509.Certificate, error) {
	_, pods, err := m.istiods(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, errors.New("no istiod pod is running")
	}
	var out []*x509.Certificate
	for _, p := range pods {
		chain, err := c.cluster.Certificates(ctx, mesh.Ref(&p), istiodXDSPort)
		if err != nil {
			return nil, err
		}
		ca := issuerIn(chain)
		if ca == nil {
			return nil, fmt.Errorf("pod %s serves its certificate without its issuer", p.Name)
		}
		out = append(out, ca)
	}
	return out, nil
}

// issuerIn returns the certificate in the chain that signed its leaf, or nil.
func issuerIn(chain []*x509.Certificate) *x509.Certificate {
	if len(chain) == 0 {
		return nil
	}
	for _, c := range chain[1:] {
		if chain[0].CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}

// judgeTrust is the verdict on identities: pure, so that tests can feed it.
func judgeTrust(holders []holder, issuers map[string][]*x509.Certificate, now time.Time, out *outcome) TrustData {
	data := TrustData{Roots: []string{}, Intermediates: map[string]string{}, Proxies: len(holders)}
	bundles := bundlesOf(holders)
	data.Roots = slices.AppendSeq(data.Roots, maps.Keys(rootsOf(holders)))
	slices.Sort(data.Roots)
	for controlPlane, cas := range issuers {
		if len(cas) > 0 {
			data.Intermediates[controlPlane] = fingerprint(cas[0])
		}
	}
	domains := map[string][]string{}
	broken := false
	for _, h := range holders {
		for _, c := range h.chain {
			if data.Expires.IsZero() || c.NotAfter.Before(data.Expires) {
				data.Expires = c.NotAfter
			}
		}
		if domain, f := h.judgeName(); f != nil {
			out.add(*f, h.chainEvidence())
		} else {
			domains[domain] = append(domains[domain], h.object())
			data.TrustDomain = domain
		}
		if f := h.judgeChain(bundles, now); f != nil {
			broken = true
			out.add(*f, h.chainEvidence())
			continue
		}
		if f := h.judgeIssuer(issuers[h.member.ControlPlane]); f != nil {
			out.add(*f, h.chainEvidence())
		}
	}
	if len(domains) > 1 {
		names := strings.Join(slices.Sorted(maps.Keys(domains)), ", ")
		out.add(Finding{Reason: ReasonTrustDomainMismatch, Message: "trust domains in use: " + names})
	}
	if len(data.Roots) > 1 && !broken {
		out.add(Finding{
			Reason: ReasonRootsMixed, Warning: true,
			Message: fmt.Sprintf("%d roots are trusted; every chain verifies in every bundle", len(data.Roots)),
		})
	}
	return data
}

// bundle is one distinct set of trusted roots and a proxy that has it.
type bundle struct {
	pool  *x509.CertPool
	owner holder
}

func bundlesOf(holders []holder) map[string]bundle {
	out := map[string]bundle{}
	for _, h := range holders {
		prints := make([]string, len(h.roots))
		for i, r := range h.roots {
			prints[i] = fingerprint(r)
		}
		slices.Sort(prints)
		key := strings.Join(prints, "+")
		if _, ok := out[key]; ok {
			continue
		}
		pool := x509.NewCertPool()
		for _, r := range h.roots {
			pool.AddCert(r)
		}
		out[key] = bundle{pool: pool, owner: h}
	}
	return out
}

func rootsOf(holders []holder) map[string]bool {
	out := map[string]bool{}
	for _, h := range holders {
		for _, r := range h.roots {
			out[fingerprint(r)] = true
		}
	}
	return out
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// judgeChain verifies the chain in every bundle of the mesh.
func (h holder) judgeChain(bundles map[string]bundle, now time.Time) *Finding {
	between := x509.NewCertPool()
	for _, c := range h.chain[1:] {
		between.AddCert(c)
	}
	f := &Finding{Cluster: h.member.Name, Object: h.object()}
	var stranger *bundle
	verified := 0
	for _, k := range slices.Sorted(maps.Keys(bundles)) {
		b := bundles[k]
		_, err := h.chain[0].Verify(x509.VerifyOptions{
			Roots: b.pool, Intermediates: between, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		})
		var invalid x509.CertificateInvalidError
		var unknown x509.UnknownAuthorityError
		switch {
		case err == nil:
			verified++
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
			f.Reason, f.Message = ReasonCertificateExpired, err.Error()
			return f
		case errors.As(err, &unknown):
			stranger = &b
		default:
			f.Reason, f.Message = ReasonChainInvalid, err.Error()
			return f
		}
	}
	switch {
	case stranger == nil:
		return nil
	case verified == 0 && len(bundles) == 1:
		f.Reason, f.Message = ReasonChainInvalid, "its chain does not lead to the root that the mesh trusts"
	default:
		f.Reason = ReasonRootsDiffer
		f.Message = fmt.Sprintf("its chain is not trusted by %s of %s", stranger.owner.object(), stranger.owner.member.Name)
	}
	return f
}

// judgeIssuer checks that the leaf was signed by the present intermediate of
// its control plane. With no issuer known the control plane's own finding
// stands for it.
func (h holder) judgeIssuer(issuers []*x509.Certificate) *Finding {
	f := &Finding{Cluster: h.member.Name, Object: h.object()}
	ca := issuerIn(h.chain)
	// Where the chain has no issuer, the root did it, which is known from the bundle.
	if ca == nil || ca.CheckSignatureFrom(ca) == nil {
		f.Reason, f.Message = ReasonNoIntermediate, "its certificate was signed by the root itself"
		return f
	}
	if len(issuers) == 0 {
		return nil
	}
	if slices.ContainsFunc(issuers, ca.Equal) {
		return nil
	}
	f.Reason = ReasonWrongIssuer
	f.Message = fmt.Sprintf("signed by %q, but control plane %s signs with %q", name(ca), h.member.ControlPlane, name(issuers[0]))
	return f
}

func name(c *x509.Certificate) string {
	return fmt.Sprintf("%s (sha256 %s)", c.Subject, fingerprint(c)[:12])
}

// judgeName checks the SPIFFE name and returns its trust domain.
func (h holder) judgeName() (domain string, f *Finding) {
	f = &Finding{Reason: ReasonWrongIdentity, Cluster: h.member.Name, Object: h.object()}
	uris := h.chain[0].URIs
	if len(uris) != 1 || uris[0].Scheme != "spiffe" {
		f.Message = fmt.Sprintf("its certificate names %v, not one SPIFFE identity", uris)
		return "", f
	}
	account := h.pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	if want := fmt.Sprintf("/ns/%s/sa/%s", h.pod.Namespace, account); uris[0].Path != want {
		f.Message = fmt.Sprintf("its certificate names %s, its service account is %s", uris[0], want)
		return "", f
	}
	return uris[0].Host, nil
}

// chainEvidence describes the chain and the trusted roots; certificates are
// public.
func (h holder) chainEvidence() gather {
	return func(context.Context) Evidence {
		var b strings.Builder
		for i, c := range h.chain {
			fmt.Fprintf(&b, "chain[%d] subject=%q issuer=%q uris=%v notAfter=%s sha256=%s\n",
				i, c.Subject, c.Issuer, c.URIs, c.NotAfter.UTC().Format(time.RFC3339), fingerprint(c)[:12])
		}
		for _, c := range h.roots {
			fmt.Fprintf(&b, "trusts subject=%q notAfter=%s sha256=%s\n", c.Subject, c.NotAfter.UTC().Format(time.RFC3339), fingerprint(c)[:12])
		}
		return Evidence{Title: "certificates of " + h.object(), Cluster: h.member.Name, Kind: EvidenceConfig, Content: b.String()}
	}
}
