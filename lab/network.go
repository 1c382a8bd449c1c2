package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Claim makes the network's bridge as the engine would for its first container, which may be a minute
// later. Until then an engine of another cache would take the same range for free.
func (n Network) Claim(ctx context.Context, root string) error {
	bridge, gateway := n.Name+"0", strings.TrimSuffix(n.CIDR, "0/16")+"1/16"
	prefix, err := netip.ParsePrefix(gateway)
	if err != nil {
		return fmt.Errorf("make network %s: %w", n.Name, err)
	}
	// A bridge without an address of its own takes the lowest of its ports'. Each container that comes
	// or goes may change that, and those there are then send to nobody until they ask again: half a
	// minute without a name server. The engine would give it one if it gave it the gateway's address.
	hardware := net.HardwareAddr(append([]byte{0x0a, 0x58}, prefix.Addr().AsSlice()...))
	for _, args := range [][]string{
		{"link", "add", bridge, "address", hardware.String(), "type", "bridge"},
		{"address", "add", gateway, "dev", bridge},
		{"link", "set", bridge, "up"},
	} {
		var log strings.Builder
		err := command{Args: append([]string{"/sbin/ip"}, args...), Root: root, Dir: "/", Log: &log}.Run(ctx)
		if err != nil {
			return fmt.Errorf("make network %s: %w: %s", n.Name, err, strings.TrimSpace(log.String()))
		}
	}
	return nil
}

// Remove takes the network's bridge and packet filter rules off the machine, with the programs of
// the engine's root file system, since the machine need not have them. Only when that was deleted
// meanwhile do the machine's have to do.
func (n Network) Remove(ctx context.Context, root string) error {
	if _, err := os.Lstat(filepath.Join(root, "usr/sbin/iptables-save")); err != nil {
		root = ""
	}
	run := func(stdin string, args ...string) (string, error) {
		var log strings.Builder
		out, err := command{Args: args, Root: root, Dir: "/", Stdin: strings.NewReader(stdin), Log: &log}.output(ctx)
		if err != nil {
			err = fmt.Errorf("remove network %s: %w: %s", n.Name, err, strings.TrimSpace(log.String()))
		}
		return out, err
	}
	if _, err := os.Stat("/sys/class/net/" + n.Name + "0"); err == nil {
		if _, err := run("", "/sbin/ip", "link", "delete", n.Name+"0"); err != nil {
			return err
		}
	}
	rules, err := run("", "/usr/sbin/iptables-save")
	if err != nil {
		return err
	}
	removal := n.removal(rules)
	if removal == "" {
		return nil
	}
	// --noflush changes only what is named, in one transaction, beside rules others add meanwhile.
	_, err = run(removal, "/usr/sbin/iptables-restore", "--noflush")
	return err
}

var chainName = regexp.MustCompile(`CNI-[0-9a-f]{24}`)

// removal is the iptables-restore input that takes out, of all rules given, those of the network:
// rules that carry its name or an address of its range, and the chains only such rules jump to.
func (n Network) removal(rules string) string {
	prefix := strings.TrimSuffix(n.CIDR, "0.0/16")
	own := func(rule string) bool {
		return strings.Contains(rule, `name: \"`+n.Name+`\"`) ||
			strings.Contains(rule, " -s "+prefix) || strings.Contains(rule, " -d "+prefix)
	}
	var script strings.Builder
	var table string
	var deletes, chains []string
	foreign := 0 // rules of other CNI networks in this table
	flush := func() {
		if foreign == 0 && table == "*filter" && len(deletes) > 0 {
			deletes = append(deletes, `-D FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD`)
			chains = append(chains, "CNI-FORWARD", "CNI-ADMIN")
		}
		if len(deletes) > 0 {
			fmt.Fprintln(&script, table)
			for _, d := range deletes {
				fmt.Fprintln(&script, d)
			}
			for _, c := range chains {
				fmt.Fprintln(&script, "-F "+c)
			}
			for _, c := range chains {
				fmt.Fprintln(&script, "-X "+c)
			}
			fmt.Fprintln(&script, "COMMIT")
		}
		deletes, chains, foreign = nil, nil, 0
	}
	seen := map[string]bool{}
	for rule := range strings.Lines(rules) {
		rule = strings.TrimSpace(rule)
		switch {
		case strings.HasPrefix(rule, "*"):
			table = rule
		case rule == "COMMIT":
			flush()
		case strings.HasPrefix(rule, "-A CNI-FORWARD -m comment") || strings.HasPrefix(rule, "-A FORWARD"):
			// the plugin's shared scaffolding
		case strings.HasPrefix(rule, "-A ") && own(rule):
			if chain := chainName.FindString(rule); chain != "" && !seen[chain] {
				seen[chain] = true
				chains = append(chains, chain)
			}
			if !strings.HasPrefix(rule, "-A CNI-") || strings.HasPrefix(rule, "-A CNI-FORWARD") {
				deletes = append(deletes, "-D "+strings.TrimPrefix(rule, "-A "))
			}
		case strings.HasPrefix(rule, "-A CNI-"):
			foreign++
		}
	}
	return script.String()
}
