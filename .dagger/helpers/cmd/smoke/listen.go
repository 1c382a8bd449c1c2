package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/sanitize"
)

// listeners are the addresses on which programs of this container accept TCP connections,
// and the paths of Unix sockets on which they do.
func listeners() (addresses []netip.AddrPort, sockets []string) {
	held := heldSockets()
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err == nil { // IPv6 may be off.
			addresses = append(addresses, parseListeners(string(text), held)...)
		}
	}
	text, err := os.ReadFile("/proc/net/unix")
	if err == nil {
		sockets = parseUnixSockets(string(text), held)
	}
	return addresses, sockets
}

// heldSockets are the inodes of the sockets that programs of this container have open. There
// are others: Dagger listens on the loopback of each container, for its telemetry.
func heldSockets() map[string]bool {
	held := map[string]bool{}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is right
	for _, file := range files {
		to, err := os.Readlink(file)
		if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
			held[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return held
}

// parseListeners reads the format of /proc/net/tcp: local address and state, in
// hexadecimal, are the second and the fourth field, the inode is the tenth.
func parseListeners(table string, held map[string]bool) []netip.AddrPort {
	const listen = "0A"
	var all []netip.AddrPort
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != listen || !held[fields[9]] {
			continue
		}
		host, port, _ := strings.Cut(fields[1], ":")
		address, err := hex.DecodeString(host)
		number, portErr := hex.DecodeString(port)
		if err != nil || portErr != nil || len(number) != 2 || len(address)%4 != 0 {
			continue
		}
		for word := range slices.Chunk(address, 4) { // each in the byte order of the machine, which is little-endian wherever this runs
			slices.Reverse(word)
		}
		if ip, ok := netip.AddrFromSlice(address); ok {
			all = append(all, netip.AddrPortFrom(ip.Unmap(), uint16(number[0])<<8|uint16(number[1])))
		}
	}
	return all
}

// parseUnixSockets reads the format of /proc/net/unix: flags are the fourth field, the inode
// is the seventh, and the path, which may hold spaces, the rest.
func parseUnixSockets(table string, held map[string]bool) []string {
	const accepts = "00010000"
	var all []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) >= 8 && fields[3] == accepts && held[fields[6]] {
			all = append(all, strings.Join(fields[7:], " "))
		}
	}
	return all
}

const (
	otherLimit   = 10 * time.Second // for the right port, once the service listens on another
	privateLimit = 20 * time.Second // once it listens only where its own container reaches it
)

// leastChosen is the first of the ports that Linux chooses for a program that asks for any.
const leastChosen = 32768

const onlyHere = "the service listens on %s only, where no other container reaches it: have it listen on :%d"

// misplaced is what is wrong with a service that listens, but not where it is asked.
type misplaced struct {
	text  string
	limit time.Duration // how long it may last: a service opens its ports one by one
}

// elsewhere says what is wrong with where a service listens; the text is "" if it listens
// nowhere at all. It has refused a connection to the port.
func (s state) elsewhere(port uint16) misplaced {
	var others []uint16
	var private []string // nobody else's business, unless it is all there is
	var loopback, sixOnly string
	for _, l := range s.Listens {
		switch {
		case l.Port() == port && l.Addr().IsLoopback():
			loopback = l.String()
		case l.Port() == port:
			sixOnly = l.String()
		case l.Addr().IsLoopback():
			private = append(private, l.String())
		default:
			others = append(others, l.Port())
		}
	}
	for _, socket := range s.Sockets {
		private = append(private, "the socket "+sanitize.Line(socket))
	}
	slices.Sort(others)
	others = slices.Compact(others)
	switch {
	case sixOnly != "":
		return misplaced{
			fmt.Sprintf("the service listens on %s, but not for IPv4: have it listen on :%d, which is both", sixOnly, port), otherLimit,
		}
	case loopback != "":
		return misplaced{fmt.Sprintf(onlyHere, loopback, port), otherLimit}
	case len(others) == 1 && others[0] >= leastChosen:
		return misplaced{
			fmt.Sprintf("the service listens on port %d, not on %d, and the system may have chosen it, as where the variable "+
				"with the port is not set: set it in smoke.yaml beside its main package, as needs: {env: {PORT: \"%[2]d\"}}; "+
				"or give --port %[1]d", others[0], port), otherLimit,
		}
	case len(others) == 1:
		return misplaced{fmt.Sprintf("the service listens on port %d, not on %d: give --port %[1]d", others[0], port), otherLimit}
	case len(others) > 1:
		words := make([]string, len(others))
		for i, other := range others {
			words[i] = fmt.Sprint(other)
		}
		return misplaced{
			fmt.Sprintf("the service listens on ports %s, not on %d: give --port with the one that is to be asked", strings.Join(words, ", "), port),
			otherLimit,
		}
	case len(private) > 0:
		return misplaced{fmt.Sprintf(onlyHere, strings.Join(private, ", "), port), privateLimit}
	}
	return misplaced{}
}
