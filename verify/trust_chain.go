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
	"time"
)

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
		for _, c := range h.Chain {
			if data.Expires.IsZero() || c.NotAfter.Before(data.Expires) {
				data.Expires = c.NotAfter
			}
		}
		if domain, f := h.judgeName(); f != nil {
			out.add(*f, h.chainEvidence())
		} else {
			domains[domain] = append(domains[domain], h.Object())
			data.TrustDomain = domain
		}
		if f := h.judgeChain(bundles, now); f != nil {
			broken = true
			out.add(*f, h.chainEvidence())
			continue
		}
		if f := h.judgeIssuer(issuers[h.Member.ControlPlane]); f != nil {
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
		prints := make([]string, len(h.Roots))
		for i, r := range h.Roots {
			prints[i] = fingerprint(r)
		}
		slices.Sort(prints)
		key := strings.Join(prints, "+")
		if _, ok := out[key]; ok {
			continue
		}
		pool := x509.NewCertPool()
		for _, r := range h.Roots {
			pool.AddCert(r)
		}
		out[key] = bundle{pool: pool, owner: h}
	}
	return out
}

func rootsOf(holders []holder) map[string]bool {
	out := map[string]bool{}
	for _, h := range holders {
		for _, r := range h.Roots {
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
	for _, c := range h.Chain[1:] {
		between.AddCert(c)
	}
	f := &Finding{Cluster: h.Member.Name, Object: h.Object()}
	var stranger *bundle
	verified := 0
	for _, k := range slices.Sorted(maps.Keys(bundles)) {
		b := bundles[k]
		_, err := h.Chain[0].Verify(x509.VerifyOptions{
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
		f.Message = fmt.Sprintf("its chain is not trusted by %s of %s", stranger.owner.Object(), stranger.owner.Member.Name)
	}
	return f
}

// judgeIssuer checks that the leaf was signed by the present intermediate of
// its control plane. With no issuer known the control plane's own finding
// stands for it.
func (h holder) judgeIssuer(issuers []*x509.Certificate) *Finding {
	f := &Finding{Cluster: h.Member.Name, Object: h.Object()}
	ca := issuerIn(h.Chain)
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
	f.Message = fmt.Sprintf("signed by %q, but control plane %s signs with %q", name(ca), h.Member.ControlPlane, name(issuers[0]))
	return f
}

func name(c *x509.Certificate) string {
	return fmt.Sprintf("%s (sha256 %s)", c.Subject, fingerprint(c)[:12])
}

// judgeName checks the SPIFFE name and returns its trust domain.
func (h holder) judgeName() (domain string, f *Finding) {
	f = &Finding{Reason: ReasonWrongIdentity, Cluster: h.Member.Name, Object: h.Object()}
	uris := h.Chain[0].URIs
	if len(uris) != 1 || uris[0].Scheme != "spiffe" {
		f.Message = fmt.Sprintf("its certificate names %v, not one SPIFFE identity", uris)
		return "", f
	}
	account := h.Pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	if want := fmt.Sprintf("/ns/%s/sa/%s", h.Pod.Namespace, account); uris[0].Path != want {
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
		for i, c := range h.Chain {
			fmt.Fprintf(&b, "chain[%d] subject=%q issuer=%q uris=%v notAfter=%s sha256=%s\n",
				i, c.Subject, c.Issuer, c.URIs, c.NotAfter.UTC().Format(time.RFC3339), fingerprint(c)[:12])
		}
		for _, c := range h.Roots {
			fmt.Fprintf(&b, "trusts subject=%q notAfter=%s sha256=%s\n", c.Subject, c.NotAfter.UTC().Format(time.RFC3339), fingerprint(c)[:12])
		}
		return Evidence{Title: "certificates of " + h.Object(), Cluster: h.Member.Name, Kind: EvidenceConfig, Content: b.String()}
	}
}
