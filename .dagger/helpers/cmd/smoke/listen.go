package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// listeners are the addresses on which programs in this container accept TCP connections.
func listeners() []netip.AddrPort {
	var all []netip.AddrPort
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err == nil { // IPv6 may be off.
			all = append(all, parseListeners(string(text))...)
		}
	}
	return all
}

// parseListeners reads the format of /proc/net/tcp: local address and state, in
// hexadecimal, are the second and the fourth field.
func parseListeners(table string) []netip.AddrPort {
	const listen = "0A"
	var all []netip.AddrPort
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listen {
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

// elsewhere says what is wrong with a service that listens, but not where it is asked: ""
// if it does not listen at all, or as it should.
func elsewhere(all []netip.AddrPort, port uint16) string {
	var others []string
	for _, l := range all {
		switch {
		case l.Port() != port && l.Addr().IsLoopback():
			// Some helper's own business.
		case l.Port() != port:
			others = append(others, fmt.Sprint(l.Port()))
		case l.Addr().IsLoopback():
			return fmt.Sprintf("the service listens on %s only, where no other container reaches it: have it listen on :%d", l, port)
		default:
			return ""
		}
	}
	if len(others) == 0 {
		return ""
	}
	slices.Sort(others)
	others = slices.Compact(others)
	return fmt.Sprintf("the service listens on port %s, not on %d: give --port %[3]s", strings.Join(others, " and "), port, others[0])
}
