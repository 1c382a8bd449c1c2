package kube

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// withKubectl puts the tests' kubectl first in PATH, and a kubeconfig and HOME in place.
func withKubectl(t *testing.T) (home string) {
	t.Helper()
	home, err := os.MkdirTemp("", "kube")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(home, "config")
	text := config(`server: "https://k8s.example.com/k8s/clusters/c-1"`, "token: x")
	if err := errors.Join(os.Symlink(program, filepath.Join(home, "kubectl")), os.WriteFile(kubeconfig, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", home)
	t.Setenv("HOME", home)
	t.Setenv("KUBECONFIG", kubeconfig)
	return home
}

func TestConnect(t *testing.T) {
	home := withKubectl(t)
	a, err := Connect(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Connect(t.Context(), Target{Namespace: "other"}) // side by side
	if err != nil {
		t.Fatal(err)
	}
	if a.Namespace() != "shop" || b.Namespace() != "other" || a.User() != "u" {
		t.Error(a.Namespace(), b.Namespace(), a.User())
	}
	b.Close()
	var got struct{ Args []string }
	if err := a.Get(t.Context(), "/args", &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(got.Args, "--append-server-path") || !slices.Contains(got.Args, "--context=main") {
		t.Error(got.Args)
	}

	// Killed, as for lack of memory: it is started again.
	if err := a.try(t.Context(), time.Second, request{method: "GET", path: "/end"}, nil); err == nil {
		t.Error("kubectl proxy goes on")
	}
	for range 2 {
		if _, err := a.Update(t.Context(), configMap()); err != nil {
			t.Error(err)
		}
	}
	a.Close()
	a.Close()
	contains(t, a.try(t.Context(), time.Second, request{method: "GET", path: "/args"}, nil), "closed")
	if left, _ := filepath.Glob(filepath.Join(home, "*.sock")); left != nil {
		t.Errorf("%s stays", left)
	}
}

func TestConnectFails(t *testing.T) {
	home := withKubectl(t)
	t.Setenv("FAKE_KUBECTL_FAILS", "error: exec plugin: invalid apiVersion")
	_, err := Connect(t.Context(), Target{})
	contains(t, err, "kubectl proxy ended: exec plugin: invalid apiVersion")
	_, err = Connect(t.Context(), Target{Context: "z"})
	contains(t, err, "choose with --context among: main")
	t.Setenv("PATH", filepath.Join(home, "none"))
	_, err = Connect(t.Context(), Target{})
	contains(t, err, "kubectl cannot be started")
	t.Setenv("HOME", strings.Repeat("/long", 30))
	_, err = Connect(t.Context(), Target{})
	contains(t, err, "set HOME to a shorter one")
	t.Setenv("KUBECONFIG", "/none")
	_, err = Connect(t.Context(), Target{})
	contains(t, err, "the kubeconfig cannot be read")
	t.Setenv("KUBECONFIG", "")
	_, err = Connect(t.Context(), Target{})
	contains(t, err, "KUBECONFIG names no file")
}

func TestForward(t *testing.T) {
	withKubectl(t)
	c := newClient(nil, "shop")
	f, err := c.Forward(t.Context(), "shop", "p", []int{81, 80, 81})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Address(80) == "" || f.Address(81) == "" || f.Address(80) == f.Address(81) || f.Address(82) != "" {
		t.Error(f.addresses)
	}
	for start := time.Now(); !f.Refused(81) && time.Since(start) < 10*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if !f.Refused(81) || f.Refused(80) || !strings.Contains(f.Problem(), "connection refused") {
		t.Error(f.refused, f.Problem())
	}
	f.Close()
	<-f.Ended()
	_, err = c.Forward(t.Context(), "shop", "p", nil)
	contains(t, err, "no port")
	t.Setenv("FAKE_KUBECTL_FAILS", `Error from server (Forbidden): pods "p" is forbidden`)
	_, err = c.Forward(t.Context(), "shop", "p", []int{80})
	contains(t, err, `to pod p ended: Error from server (Forbidden)`)
}

func TestForwardLines(t *testing.T) {
	for _, test := range []struct {
		lines   []string
		refused bool
		intact  bool
		problem string
	}{
		{nil, false, true, ""},
		{[]string{"error: lost connection to pod"}, false, false, "lost connection to pod"},
		{[]string{"", `E1125 1 portforward.go:424] err="an error occurred forwarding 4000 -> 80: socat: E connect(5): Connection refused"`,
			"error: lost connection to pod"}, true, false, "Connection refused"},
		{[]string{`E1125 1 portforward.go:424] an error occurred forwarding 4000 -> 80: timed out`}, false, false, "timed out"},
		{[]string{`E1125 1 portforward.go:424] an error occurred forwarding 4000 -> 80: failed to execute portforward in network ` +
			`namespace "/n": read tcp4 127.0.0.1:3000->127.0.0.1:80: read: connection reset by peer`}, false, true, "reset by peer"},
		{[]string{"error: error upgrading connection: error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused",
			"Available: "}, false, false, "error upgrading connection: error dialing backend: dial tcp 10.0.0.1:10250: " +
			"connect: connection refused Available:"},
	} {
		f := newForward(1)
		f.kubectl = &kubectl{ended: make(chan struct{})}
		for _, line := range test.lines {
			f.complained(line)
		}
		if f.Refused(80) != test.refused || f.Intact(80) != test.intact || !strings.Contains(f.Problem(), test.problem) {
			t.Error(test.lines, f.Refused(80), f.Problem())
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{to: func(line string) { got = append(got, line) }}
	for _, part := range []string{"a", "b\nc\r\n", "\n", "d"} {
		fmt.Fprint(l, part)
	}
	fmt.Fprint(l, strings.Repeat("x", lineLimit))
	if len(got) != 4 || got[0] != "ab" || got[1] != "c" || len(got[3]) != lineLimit+1 {
		t.Error(got)
	}
}
