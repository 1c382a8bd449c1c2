package main

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
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

func TestParseUnixSockets(t *testing.T) {
	const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/app.sock
0000000000000000: 00000002 00000000 00010000 0001 01 12346 @abstract name
0000000000000000: 00000003 00000000 00000000 0001 03 12347 /run/app.sock
0000000000000000: 00000002 00000000 00010000 0001 01 12348
`
	if got := fmt.Sprint(parseUnixSockets(table)); got != "[/run/app.sock @abstract name]" {
		t.Errorf("got %s", got)
	}
}

func TestElsewhere(t *testing.T) {
	const only = " only, where no other container reaches it: have it listen on :8080"
	for name, c := range map[string]struct {
		listens []string
		sockets []string
		want    string
		limit   time.Duration
	}{
		"nowhere":      {},
		"another port": {listens: []string{"[::]:9090"}, want: "the service listens on port 9090, not on 8080: give --port 9090", limit: otherLimit},
		"several others": {
			listens: []string{"[::]:9091", "0.0.0.0:443", "[::]:443", "0.0.0.0:80"},
			want:    "the service listens on ports 80, 443, 9091, not on 8080: give --port with the one that is to be asked", limit: otherLimit,
		},
		"the loopback":             {listens: []string{"127.0.0.1:8080"}, want: "the service listens on 127.0.0.1:8080" + only, limit: otherLimit},
		"the loopback of IPv6":     {listens: []string{"[::1]:8080"}, want: "the service listens on [::1]:8080" + only, limit: otherLimit},
		"another on the loopback":  {listens: []string{"127.0.0.1:6060"}, want: "the service listens on 127.0.0.1:6060" + only, limit: privateLimit},
		"a socket":                 {sockets: []string{"/run/app.sock"}, want: "the service listens on the socket /run/app.sock" + only, limit: privateLimit},
		"loopback, socket, others": {[]string{"127.0.0.1:6060", "[::]:80"}, []string{"/x"}, "the service listens on port 80, not on 8080: give --port 80", otherLimit},
		"IPv6 alone": {
			listens: []string{"[::]:8080", "0.0.0.0:9090"},
			want:    "the service listens on [::]:8080, but not for IPv4: have it listen on :8080, which is both", limit: otherLimit,
		},
	} {
		s := state{Sockets: c.sockets}
		for _, address := range c.listens {
			s.Listens = append(s.Listens, netip.MustParseAddrPort(address))
		}
		if got := s.elsewhere(8080); got != (misplaced{c.want, c.limit}) {
			t.Errorf("%s: got %+v, want %q", name, got, c.want)
		}
	}
}
