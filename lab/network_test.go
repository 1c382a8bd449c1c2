package main

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inOwnNetwork runs f where it cannot touch the machine's network.
func inOwnNetwork(t *testing.T, f func()) {
	if _, err := os.Stat("/sbin/ip"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and /sbin/ip")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, so the thread ends with its network
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func TestClaimedNetworkIsTaken(t *testing.T) {
	inOwnNetwork(t, func() {
		var taken []string
		for range 3 {
			cidr, err := freeCIDR(0)
			if err != nil {
				t.Error(err)
				return
			}
			taken = append(taken, cidr)
			if err := (Network{Name: "sliptest" + string(rune('a'+len(taken))), CIDR: cidr}).Claim(t.Context(), ""); err != nil {
				t.Error(err)
				return
			}
		}
		if want := "10.87.0.0/16 10.88.0.0/16 10.89.0.0/16"; strings.Join(taken, " ") != want {
			t.Errorf("%s, not %s", taken, want)
		}
	})
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if strings.HasPrefix(i.Name, "sliptest") {
			t.Errorf("%s is on the machine", i.Name)
		}
	}
}

func TestBridgeKeepsItsAddress(t *testing.T) {
	inOwnNetwork(t, func() {
		if err := (Network{Name: "sliptest", CIDR: "10.87.0.0/16"}).Claim(t.Context(), ""); err != nil {
			t.Error(err)
			return
		}
		before, err := net.InterfaceByName("sliptest0")
		if err != nil {
			t.Error(err)
			return
		}
		for _, args := range []string{
			"link add port address 02:00:00:00:00:01 type veth peer name other",
			"link set port master sliptest0 up",
		} {
			if out, err := exec.Command("/sbin/ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Errorf("ip %s: %v: %s", args, err, out)
				return
			}
		}
		after, err := net.InterfaceByName("sliptest0")
		if err != nil {
			t.Error(err)
			return
		}
		if after.HardwareAddr.String() != before.HardwareAddr.String() {
			t.Errorf("a container changed it from %s to %s", before.HardwareAddr, after.HardwareAddr)
		}
	})
}

func TestRemovalTakesOutTheNetworkAndNothingElse(t *testing.T) {
	n := Network{Name: "slip0a0b0c0d", CIDR: "10.90.0.0/16"}
	const own, other = "CNI-aaaaaaaaaaaaaaaaaaaaaaaa", "CNI-bbbbbbbbbbbbbbbbbbbbbbbb"
	const ownRules = `*filter
:FORWARD ACCEPT [0:0]
:CNI-ADMIN - [0:0]
:CNI-FORWARD - [0:0]
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
-A CNI-FORWARD -s 10.90.0.2/32 -j ACCEPT
COMMIT
*nat
-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
-A POSTROUTING -s 10.90.0.2/32 -m comment --comment "name: \"slip0a0b0c0d\" id: \"x\"" -j ` + own + `
-A ` + own + ` -d 10.90.0.0/16 -m comment --comment "name: \"slip0a0b0c0d\" id: \"x\"" -j ACCEPT
-A ` + own + ` ! -d 224.0.0.0/4 -m comment --comment "name: \"slip0a0b0c0d\" id: \"x\"" -j MASQUERADE
COMMIT
`
	alone := n.removal(ownRules)
	for _, want := range []string{
		"-D CNI-FORWARD -s 10.90.0.2/32 -j ACCEPT\n",
		"-X CNI-FORWARD\n",
		"-D POSTROUTING -s 10.90.0.2/32 ",
		"-F " + own + "\n", "-X " + own + "\n",
	} {
		if !strings.Contains(alone, want) {
			t.Errorf("%q is missing from:\n%s", want, alone)
		}
	}
	if strings.Contains(alone, "192.0.2.0") {
		t.Errorf("touches a rule of the machine:\n%s", alone)
	}

	beside := n.removal(strings.NewReplacer(
		"-A CNI-FORWARD -s", "-A CNI-FORWARD -s 10.87.0.2/32 -j ACCEPT\n-A CNI-FORWARD -s",
		"*nat\n", "*nat\n-A "+other+" -d 10.87.0.0/16 -m comment --comment \"name: \\\"dagger\\\" id: \\\"y\\\"\" -j ACCEPT\n",
	).Replace(ownRules))
	for _, bad := range []string{"10.87.", other, "-X CNI-FORWARD", "-D FORWARD"} {
		if strings.Contains(beside, bad) {
			t.Errorf("beside another network, %q is in:\n%s", bad, beside)
		}
	}
	if again := n.removal("*nat\n-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE\nCOMMIT\n"); again != "" {
		t.Errorf("nothing to remove, yet:\n%s", again)
	}
}
