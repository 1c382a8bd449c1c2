package main

import (
	"fmt"
	"net/netip"
	"testing"
)

// Captured from a container: port 8080 on all addresses, 9090 on the loopback, one
// connection, and 61234 over IPv6.
const (
	tcp4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532
   1: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532
   2: 0502570A:1F90 0602570A:C2A4 01 00000000:00000000 00:00000000 00000000 65532
`
	tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000000000000000000000000000:EF32 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0
`
)

func TestParseListeners(t *testing.T) {
	for _, c := range []struct{ table, want string }{
		{tcp4, "[0.0.0.0:8080 127.0.0.1:9090]"},
		{tcp6, "[[::]:61234 [::1]:80 127.0.0.1:81]"},
		{"", "[]"},
		{"a b c\n1: zz:1F90 x 0A\n1: 00000000:1 x 0A\n1: 00:1F90 x 0A\n", "[]"},
	} {
		if got := fmt.Sprint(parseListeners(c.table)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		listens []string
		want    string
	}{
		"nowhere":         {nil, ""},
		"where it should": {[]string{"0.0.0.0:9999", "[::]:8080"}, ""},
		"another port":    {[]string{"[::]:9090"}, "the service listens on port 9090, not on 8080: give --port 9090"},
		"two others": {[]string{"[::]:9091", "0.0.0.0:9090", "[::]:9090"},
			"the service listens on port 9090 and 9091, not on 8080: give --port 9090"},
		"the loopback": {[]string{"127.0.0.1:8080"},
			"the service listens on 127.0.0.1:8080 only, where no other container reaches it: have it listen on :8080"},
		"others' loopback":  {[]string{"127.0.0.1:6060"}, ""},
		"loopback and rest": {[]string{"127.0.0.1:6060", "[::]:80"}, "the service listens on port 80, not on 8080: give --port 80"},
	} {
		var all []netip.AddrPort
		for _, address := range c.listens {
			all = append(all, netip.MustParseAddrPort(address))
		}
		if got := elsewhere(all, 8080); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
