package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) -> (\d+)$`)
	refusing   = regexp.MustCompile(`(?i)error occurred forwarding \d+ -> (\d+): .*connection refused`)
)

// Forward leads from ports of this machine to ports of a pod.
type Forward struct {
	kubectl *kubectl

	mu        sync.Mutex
	addresses map[int]string
	refused   map[int]bool
	problem   string
	opened    chan struct{} // closed when all ports have an address
	missing   int           // ports without an address
}

// Forward starts kubectl port-forward to the ports of a pod, and returns when each has
// an address here. It lives until Close, or until the pod goes.
func (c *Client) Forward(ctx context.Context, namespace, pod string, ports []int) (*Forward, error) {
	ports = slices.Compact(slices.Sorted(slices.Values(ports)))
	if len(ports) == 0 {
		return nil, errors.New("no port to forward")
	}
	f := newForward(len(ports))
	args := append([]string{"port-forward"}, c.flags...)
	args = append(args, "--namespace="+namespace, "--address=127.0.0.1", "--pod-running-timeout=10s", "pod/"+pod)
	for _, port := range ports {
		args = append(args, ":"+strconv.Itoa(port))
	}
	var err error
	if f.kubectl, err = startKubectl(args, f.said, f.complained); err != nil {
		return nil, err
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-f.opened:
		return f, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-f.kubectl.ended:
		err = fmt.Errorf("kubectl port-forward to pod %s ended: %s", pod, f.Problem())
	case <-limit.C:
		err = fmt.Errorf("kubectl port-forward to pod %s did not listen within %s: %s", pod, startLimit, f.Problem())
	}
	f.Close()
	return nil, err
}

func newForward(ports int) *Forward {
	return &Forward{addresses: map[int]string{}, refused: map[int]bool{}, opened: make(chan struct{}), missing: ports}
}

// said takes a line of kubectl's standard output.
func (f *Forward) said(line string) {
	m := forwarding.FindStringSubmatch(line)
	if m == nil {
		return
	}
	port, _ := strconv.Atoi(m[2])
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.addresses[port] == "" {
		f.addresses[port] = m[1]
		if f.missing--; f.missing == 0 {
			close(f.opened)
		}
	}
}

// complained takes a line of kubectl's standard error.
func (f *Forward) complained(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := refusing.FindStringSubmatch(line); m != nil {
		port, _ := strconv.Atoi(m[1])
		f.refused[port] = true
	}
	line = strings.TrimPrefix(line, "error: ")
	// kubectl ends with this after any failure, which the line before it tells.
	if line != "" && (line != "lost connection to pod" || f.problem == "") {
		f.problem = line
	}
}

// Address is where a port of the pod is on this machine, as 127.0.0.1:NNN; "" for a port
// that is not forwarded.
func (f *Forward) Address(port int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addresses[port]
}

// Refused says whether a connection was tried and nothing listens on the port in the
// pod. kubectl tells a moment after the connection here has been cut.
func (f *Forward) Refused(port int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused[port]
}

// Problem is the last thing that kubectl wrote about a failure, "" if there was none.
func (f *Forward) Problem() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

// Ended is closed when kubectl has ended, as it does after a failure and when the pod
// goes: a new Forward may work.
func (f *Forward) Ended() <-chan struct{} { return f.kubectl.ended }

// Close ends the forward.
func (f *Forward) Close() { f.kubectl.stop() }
