package mesh

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
)

// Identity is what a proxy shows to others and what it trusts.
type Identity struct {
	Chain []*x509.Certificate // leaf first
	Roots []*x509.Certificate // the bundle against which it verifies others
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

// ErrNoSecret says that a proxy has not been given its certificate or roots.
var ErrNoSecret = errors.New("the proxy holds no such secret")

// ParseIdentity reads a secrets dump. Istio names the workload's certificate
// "default" and its trust bundle "ROOTCA".
func ParseIdentity(dump []byte) (*Identity, error) {
	var d secretsDump
	if err := json.Unmarshal(dump, &d); err != nil {
		return nil, fmt.Errorf("secrets dump: %w", err)
	}
	out := &Identity{}
	var err error
	for _, c := range d.Configs {
		switch c.Name {
		case "default":
			if out.Chain, err = parseCertificates(c.Secret.TLSCertificate.CertificateChain.pem()); err != nil {
				return nil, fmt.Errorf("certificate chain: %w", err)
			}
		case "ROOTCA":
			if out.Roots, err = parseCertificates(c.Secret.ValidationContext.TrustedCA.pem()); err != nil {
				return nil, fmt.Errorf("trust bundle: %w", err)
			}
		}
	}
	if len(out.Chain) == 0 {
		return nil, fmt.Errorf("certificate: %w", ErrNoSecret)
	}
	if len(out.Roots) == 0 {
		return nil, fmt.Errorf("trust bundle: %w", ErrNoSecret)
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

// Endpoint is one host of an Envoy cluster.
type Endpoint struct {
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

// ParseEndpoints returns the hosts of one Envoy cluster, sorted by address,
// and whether the proxy has that cluster at all.
func ParseEndpoints(dump []byte, cluster string) (list []Endpoint, found bool, err error) {
	var d clustersDump
	if err := json.Unmarshal(dump, &d); err != nil {
		return nil, false, fmt.Errorf("clusters dump: %w", err)
	}
	for _, s := range d.Statuses {
		if s.Name != cluster {
			continue
		}
		for _, h := range s.Hosts {
			list = append(list, Endpoint{
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

// HostStats are Envoy's counters of one host, since the host is known to it.
type HostStats struct {
	Requests    uint64 // attempts, retries included
	Connections uint64 // attempts to connect
	Open        uint64 // connections now
}

// ParseHostStats returns the counters of one Envoy cluster's hosts by address.
// A cluster that the proxy does not have has no hosts.
func ParseHostStats(dump []byte, cluster string) (map[string]HostStats, error) {
	var d clustersDump
	if err := json.Unmarshal(dump, &d); err != nil {
		return nil, fmt.Errorf("clusters dump: %w", err)
	}
	out := map[string]HostStats{}
	for _, s := range d.Statuses {
		if s.Name != cluster {
			continue
		}
		for _, h := range s.Hosts {
			var stats HostStats
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

// Outbound names the Envoy cluster of the workload's port in its callers.
func (w Workload) Outbound() string {
	return fmt.Sprintf("outbound|%d||%s.%s.svc.cluster.local", w.Port, w.Service, w.Namespace)
}

// Passthrough names the Envoy cluster by which an east-west gateway passes the
// workload's connections on, and the server that they ask for (istio's
// BuildDNSSrvSubsetKey).
func (w Workload) Passthrough() string {
	return fmt.Sprintf("outbound_.%d_._.%s.%s.svc.cluster.local", w.Port, w.Service, w.Namespace)
}
