package provider

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

const procTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0
   1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 101 1 0
   2: 0000000000000000FFFF00000100007F:D432 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 102 1 0
`

func TestSocketUID(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the table is a little-endian machine's")
	}
	server := netip.MustParseAddrPort("127.0.0.1:8080")
	tests := map[string]struct {
		peer string
		want int
		ok   bool
	}{
		"an IPv4 socket":               {"127.0.0.1:54321", 1000, true},
		"an IPv6 socket reaching IPv4": {"127.0.0.1:54322", 1001, true},
		"another port":                 {"127.0.0.1:54323", 0, false},
		"the listener is no peer":      {"127.0.0.1:8080", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			uid, err := socketUID(strings.NewReader(procTable), netip.MustParseAddrPort(tt.peer), server)
			if (err == nil) != tt.ok || uid != tt.want {
				t.Errorf("socketUID = %d, %v", uid, err)
			}
		})
	}
}
