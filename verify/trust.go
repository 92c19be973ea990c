package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
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
			report.Remedy{Text: "the proxy could not get a certificate from its control plane", Command: "kubectl logs POD -n NAMESPACE -c istio-proxy"},
		},
		{
			ReasonRootsDiffer, "two proxies do not trust each other's root",
			report.Remedy{
				Object: "secret istio-system/cacerts of every control plane",
				Text:   "give all control planes intermediates of one root, then restart istiod and the workloads",
			},
		},
		{
			ReasonCertificateExpired, "a certificate is expired or not yet valid",
			report.Remedy{
				Object: "the clock of the machine and secret istio-system/cacerts",
				Text:   "restart the pod to get a new certificate",
			},
		},
		{
			ReasonChainInvalid, "a chain does not lead to the root that its own mesh trusts",
			report.Remedy{
				Object: "secret istio-system/cacerts",
				Text:   "the bundle is inconsistent: cert-chain.pem must lead from ca-cert.pem to root-cert.pem",
			},
		},
		{
			ReasonNoIntermediate, "a certificate is signed by the root itself",
			report.Remedy{
				Object: "secret istio-system/cacerts",
				Text:   "the secret is missing or was created after istiod started; create it, then restart istiod",
			},
		},
		{
			ReasonWrongIssuer, "a certificate is signed by another CA than the one of its control plane",
			report.Remedy{Text: "the certificate is older than the CA of its control plane, or comes from another one; restart the pod"},
		},
		{
			ReasonTrustDomainMismatch, "there is more than one trust domain",
			report.Remedy{Text: "set the same meshConfig.trustDomain in all clusters, or trustDomainAliases"},
		},
		{
			ReasonWrongIdentity, "a certificate does not have the SPIFFE name of the pod's service account",
			report.Remedy{Text: "the proxy holds the certificate of another workload; restart the pod"},
		},
		{
			ReasonRootsMixed, "warning: there are several roots, and all proxies trust all of them",
			report.Remedy{Text: "a root rotation is in progress; finish it by removing the old root"},
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
	mesh.Proxy
	mesh.Identity
}

// checkTrust verifies every running proxy's chain as its peers would: against
// the trust bundles that are in force anywhere in the mesh.
func checkTrust(ctx context.Context, m *session, out *outcome) {
	var mu sync.Mutex
	var holders []holder
	issuers := map[string][]*x509.Certificate{} // control plane -> CAs that its istiods sign with
	m.each(func(c *mesh.Member) {
		if c.Primary() {
			cas, err := issuersOf(ctx, c)
			if err != nil {
				out.add(unreachable(c, "istiod", err), logEvidence(c, mesh.SystemNamespace, mesh.IstiodSelector, "discovery"))
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
		return strings.Compare(a.Member.Name+a.Object(), b.Member.Name+b.Object())
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
func (m *session) holders(ctx context.Context, c *mesh.Member, out *outcome) ([]holder, bool) {
	proxies, err := c.Proxies(ctx, m.workload)
	if err != nil {
		out.add(unreachable(c, "", err))
		return nil, false
	}
	for _, want := range m.expectedRoles(c) {
		found := false
		for _, p := range proxies {
			found = found || p.Role == want
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
			dump, err := p.Admin(ctx, "/config_dump?resource=dynamic_active_secrets")
			if err != nil {
				out.add(unreachable(c, p.Object(), err), proxyLogEvidence(c, mesh.Ref(&p.Pod)))
				return
			}
			id, err := mesh.ParseIdentity(dump)
			if err != nil {
				out.add(Finding{Reason: ReasonNoIdentity, Cluster: c.Name, Object: p.Object(), Message: err.Error()},
					proxyLogEvidence(c, mesh.Ref(&p.Pod)))
				return
			}
			list[i] = &holder{Proxy: p, Identity: *id}
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
func (m *session) expectedRoles(c *mesh.Member) []mesh.Role {
	var out []mesh.Role
	if m.workload.Empty() {
		return out
	}
	out = append(out, mesh.RoleClient)
	if len(m.workload.Versions[c.Name]) > 0 {
		out = append(out, mesh.RoleServer)
	}
	return out
}

// issuersOf returns the CA certificates with which the istiods of a primary
// sign, learnt from the certificate that each serves its proxies with: istiod
// signs it with the same key.
func issuersOf(ctx context.Context, c *mesh.Member) ([]*x509.Certificate, error) {
	pods, err := c.Istiods(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, errors.New("no istiod pod is running")
	}
	var out []*x509.Certificate
	for _, p := range pods {
		chain, err := c.Certificates(ctx, mesh.Ref(&p), mesh.IstiodXDSPort)
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
