package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// k3s's defaults.
const (
	podRange     = "10.42.0.0/16"
	nodePods     = "10.42.0.0/24" // the part of the only node
	serviceRange = "10.43.0.0/16"
	apiService   = "10.43.0.1"
	dnsService   = "10.43.0.10"
)

type uplink struct {
	address netip.Addr
	mtu     int
}

// findUplink is the node's own address: that of the interface which the default route leaves by, or
// where there is none the first that is not local.
func findUplink() (uplink, error) {
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return uplink{}, err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return uplink{}, err
	}
	outward := defaultInterface(string(routes))
	var found uplink
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil || i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addresses {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || !p.Addr().Is4() || p.Addr().IsLinkLocalUnicast() {
				continue
			}
			if i.Name == outward {
				return uplink{p.Addr(), i.MTU}, nil
			}
			if !found.address.IsValid() {
				found = uplink{p.Addr(), i.MTU}
			}
		}
	}
	if !found.address.IsValid() {
		return found, errors.New("this node has no IPv4 address but local ones; give it a network interface")
	}
	return found, nil
}

// defaultInterface reads /proc/net/route.
func defaultInterface(routes string) string {
	for line := range strings.Lines(routes) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		destination, err := hex.DecodeString(f[1])
		mask, err2 := hex.DecodeString(f[7])
		if err == nil && err2 == nil && string(destination) == "\x00\x00\x00\x00" && string(mask) == "\x00\x00\x00\x00" {
			return f[0]
		}
	}
	return ""
}

func (u uplink) check() error {
	for what, cidr := range map[string]string{"pods": podRange, "services": serviceRange} {
		if netip.MustParsePrefix(cidr).Contains(u.address) {
			return fmt.Errorf("this node's own address %s is in %s, the range of the cluster's %s; give the node another network", u.address, cidr, what)
		}
	}
	return nil
}

// podResolvConf is the node's resolv.conf without name servers that only the node itself can reach,
// and whether any is left.
func podResolvConf(content string) (string, bool) {
	var kept strings.Builder
	some := false
	for line := range strings.Lines(content) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "nameserver" {
			address, err := netip.ParseAddr(f[1])
			if err != nil || address.IsLoopback() {
				continue
			}
			some = true
		}
		kept.WriteString(line)
	}
	return kept.String(), some
}

// podHosts is the node's hosts file without names that mean the machine that asks.
func podHosts(content string) string {
	var kept strings.Builder
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if a, err := netip.ParseAddr(f[0]); err == nil && !a.IsLoopback() && !a.IsMulticast() && a.Is4() {
			fmt.Fprintln(&kept, strings.Join(f, " "))
		}
	}
	return kept.String()
}
