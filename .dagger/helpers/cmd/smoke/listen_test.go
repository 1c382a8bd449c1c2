package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Captured from a container: port 8080 on all addresses, 9090 on the loopback, one that
// no program of it has open, one connection, and 61234 over IPv6.
const (
	tcp4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532        0 11 1 0000000000000000 100 0 0 10 0
   1: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532        0 12 1 0000000000000000 100 0 0 10 0
   2: 0100007F:ABCD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0
   3: 0502570A:1F90 0602570A:C2A4 01 00000000:00000000 00:00000000 00000000 65532        0 13 1 0000000000000000 20 4 30 10 -1
`
	tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:EF32 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0
   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0
   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16 1 0
`
)

var heldHere = map[string]bool{"11": true, "12": true, "13": true, "14": true, "15": true, "16": true}

func TestParseListeners(t *testing.T) {
	for _, c := range []struct{ table, want string }{
		{tcp4, "[0.0.0.0:8080 127.0.0.1:9090]"},
		{tcp6, "[[::]:61234 [::1]:80 127.0.0.1:81]"},
		{"", "[]"},
		{"a b c\n1: zz:1F90 x 0A a b c d e 11\n1: 00000000:1 x 0A a b c d e 11\n1: 00:1F90 x 0A a b c d e 11\n", "[]"},
	} {
		if got := fmt.Sprint(parseListeners(c.table, heldHere)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestParseUnixSockets(t *testing.T) {
	const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 11 /run/app.sock
0000000000000000: 00000002 00000000 00010000 0001 01 12 @abstract name
0000000000000000: 00000003 00000000 00000000 0001 03 13 /run/app.sock
0000000000000000: 00000002 00000000 00010000 0001 01 14
0000000000000000: 00000002 00000000 00010000 0001 01 99 /run/engine.sock
`
	if got := fmt.Sprint(parseUnixSockets(table, heldHere)); got != "[/run/app.sock @abstract name]" {
		t.Errorf("got %s", got)
	}
}

// This program's own are found, those that it has closed are not.
func TestListeners(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := l.Addr().(*net.TCPAddr).AddrPort()
	if all, _ := listeners(); !slices.Contains(all, own) {
		t.Errorf("%s is not in %v", own, all)
	}
	l.Close()
	if all, _ := listeners(); slices.Contains(all, own) {
		t.Errorf("%s is still in %v", own, all)
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
		"one that the system chose": {
			listens: []string{"[::]:34979"},
			want: "the service listens on port 34979, not on 8080, and the system may have chosen it, as where the variable with the port is not " +
				"set: set it in smoke.yaml beside its main package, as needs: {env: {PORT: \"8080\"}}; or give --port 34979", limit: otherLimit,
		},
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
