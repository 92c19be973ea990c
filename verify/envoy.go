package verify

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/mesh"
)

// identity is what a proxy shows to others and what it trusts.
type identity struct {
	chain []*x509.Certificate // leaf first
	roots []*x509.Certificate // the bundle against which it verifies others
}

// secretsDump is the part of Envoy's /config_dump?resource=dynamic_active_secrets
// that matters here. Private keys are redacted by Envoy itself.
type secretsDump struct {
	Configs []struct {
		Name   string `json:"name"`
		Secret struct {
			TLSCertificate struct {
				CertificateChain dataSource `json:"certificate_chain"`
			} `json:"tls_certificate"`
			ValidationContext struct {
				TrustedCA dataSource `json:"trusted_ca"`
			} `json:"validation_context"`
		} `json:"secret"`
	} `json:"configs"`
}

type dataSource struct {
	InlineBytes  []byte `json:"inline_bytes"` // base64 in JSON
	InlineString string `json:"inline_string"`
}

func (d dataSource) pem() []byte {
	if len(d.InlineBytes) > 0 {
		return d.InlineBytes
	}
	return []byte(d.InlineString)
}

// errNoSecret says that a proxy has not been given its certificate or roots.
var errNoSecret = errors.New("the proxy holds no such secret")

// parseIdentity reads a secrets dump. Istio names the workload's certificate
// "default" and its trust bundle "ROOTCA".
func parseIdentity(dump []byte) (*identity, error) {
	var d secretsDump
	if err := json.Unmarshal(dump, &d); err != nil {
		return nil, fmt.Errorf("secrets dump: %w", err)
	}
	out := &identity{}
	var err error
	for _, c := range d.Configs {
		switch c.Name {
		case "default":
			if out.chain, err = parseCertificates(c.Secret.TLSCertificate.CertificateChain.pem()); err != nil {
				return nil, fmt.Errorf("certificate chain: %w", err)
			}
		case "ROOTCA":
			if out.roots, err = parseCertificates(c.Secret.ValidationContext.TrustedCA.pem()); err != nil {
				return nil, fmt.Errorf("trust bundle: %w", err)
			}
		}
	}
	if len(out.chain) == 0 {
		return nil, fmt.Errorf("certificate: %w", errNoSecret)
	}
	if len(out.roots) == 0 {
		return nil, fmt.Errorf("trust bundle: %w", errNoSecret)
	}
	return out, nil
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			return out, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
}

// endpoint is one host of an Envoy cluster.
type endpoint struct {
	Address  string `json:"address"` // ip:port
	Region   string `json:"region,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Subzone  string `json:"subzone,omitempty"`
	Weight   int    `json:"weight,omitempty"`
	Priority int    `json:"priority"`
	Health   string `json:"health,omitempty"`
}

// clustersDump is the part of Envoy's /clusters?format=json that matters here.
type clustersDump struct {
	Statuses []struct {
		Name  string `json:"name"`
		Hosts []struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"address"`
			Health struct {
				EDS string `json:"eds_health_status"`
			} `json:"health_status"`
			Stats []struct {
				Name  string `json:"name"`
				Value string `json:"value"` // 64 bits are text in JSON; left out at 0
			} `json:"stats"`
			Weight   int `json:"weight"`
			Priority int `json:"priority"`
			Locality struct {
				Region  string `json:"region"`
				Zone    string `json:"zone"`
				SubZone string `json:"sub_zone"`
			} `json:"locality"`
		} `json:"host_statuses"`
	} `json:"cluster_statuses"`
}

// parseEndpoints returns the hosts of one Envoy cluster, sorted by address,
// and whether the proxy has that cluster at all.
func parseEndpoints(dump []byte, cluster string) (list []endpoint, found bool, err error) {
	var d clustersDump
	if err := json.Unmarshal(dump, &d); err != nil {
		return nil, false, fmt.Errorf("clusters dump: %w", err)
	}
	for _, s := range d.Statuses {
		if s.Name != cluster {
			continue
		}
		for _, h := range s.Hosts {
			list = append(list, endpoint{
				Address: net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port)),
				Region:  h.Locality.Region, Zone: h.Locality.Zone, Subzone: h.Locality.SubZone,
				Weight: h.Weight, Priority: h.Priority, Health: h.Health.EDS,
			})
		}
		sort.Slice(list, func(i, j int) bool { return list[i].Address < list[j].Address })
		return list, true, nil
	}
	return nil, false, nil
}

// hostStats are Envoy's counters of one host, since the host is known to it.
type hostStats struct {
	Requests    uint64 // attempts, retries included
	Connections uint64 // attempts to connect
	Open        uint64 // connections now
}

// parseHostStats returns the counters of one Envoy cluster's hosts by address.
// A cluster that the proxy does not have has no hosts.
func parseHostStats(dump []byte, cluster string) (map[string]hostStats, error) {
	var d clustersDump
	if err := json.Unmarshal(dump, &d); err != nil {
		return nil, fmt.Errorf("clusters dump: %w", err)
	}
	out := map[string]hostStats{}
	for _, s := range d.Statuses {
		if s.Name != cluster {
			continue
		}
		for _, h := range s.Hosts {
			var stats hostStats
			for _, stat := range h.Stats {
				field, wanted := map[string]*uint64{
					"rq_total": &stats.Requests, "cx_total": &stats.Connections, "cx_active": &stats.Open,
				}[stat.Name]
				if !wanted || stat.Value == "" {
					continue
				}
				n, err := strconv.ParseUint(stat.Value, 10, 64)
				if err != nil {
					return nil, fmt.Errorf("clusters dump: %s of %s: %w", stat.Name, cluster, err)
				}
				*field = n
			}
			out[net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port))] = stats
		}
	}
	return out, nil
}

// outbound names the Envoy cluster of a service's port.
func outbound(w mesh.Workload) string {
	return fmt.Sprintf("outbound|%d||%s.%s.svc.cluster.local", w.Port, w.Service, w.Namespace)
}

func addresses(list []endpoint) string {
	if len(list) == 0 {
		return "none"
	}
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Address
	}
	return strings.Join(out, ", ")
}
