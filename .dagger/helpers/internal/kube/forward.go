package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway/helpers/internal/object"
)

var (
	forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) -> (\d+)$`)
	// A node tells what became of its connection to the port inside the pod.
	refusing  = regexp.MustCompile(`(?i)error occurred forwarding \d+ -> (\d+): .*connection refused`)
	resetting = regexp.MustCompile(`(?i)error occurred forwarding \d+ -> (\d+): .*(connection reset by peer|broken pipe)`)
)

// failing is how kubectl begins to tell of a failure. It ends with "lost connection to pod"
// after any, which the line before it tells.
var failing = regexp.MustCompile(`^(error: |E\d{4} |Error from server)`)

const (
	problemLimit = 300 // characters
	settleTime   = time.Second
	refusesLimit = 5 * time.Second
)

// Forward leads from ports of this machine to ports of a pod.
type Forward struct {
	kubectl *kubectl

	mu        sync.Mutex
	addresses map[int]string
	refused   map[int]bool
	closed    map[int]bool
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
	return &Forward{addresses: map[int]string{}, refused: map[int]bool{}, closed: map[int]bool{}, opened: make(chan struct{}), missing: ports}
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
	if m := resetting.FindStringSubmatch(line); m != nil {
		port, _ := strconv.Atoi(m[1])
		f.closed[port] = true
	}
	switch {
	case line == "":
	case f.problem == "" || failing.MatchString(line) && !strings.HasSuffix(line, "lost connection to pod"):
		f.problem = short(strings.TrimPrefix(line, "error: "))
	case !failing.MatchString(line) && len(f.problem) < problemLimit: // the same failure goes on
		f.problem += " " + short(line)
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

// Settle waits until kubectl has told what became of a connection that broke, a second at
// most: it tells nothing where the pod closed the connection in good order.
func (f *Forward) Settle(ctx context.Context) {
	for start := time.Now(); time.Since(start) < settleTime && ctx.Err() == nil && f.Problem() == ""; {
		Pause(ctx, 20*time.Millisecond)
	}
}

// Intact says whether all that is known of the way to a port is that the pod itself
// closed a connection, once it has settled.
func (f *Forward) Intact(port int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed[port] || f.problem == "" && !f.kubectl.hasEnded()
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

// Refuses says whether the address of a pod refuses connections of the API server to a
// port; false where that cannot be told.
func (c *Client) Refuses(ctx context.Context, pod object.Object, port int) bool {
	limited, cancel := context.WithTimeout(ctx, refusesLimit)
	defer cancel()
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy/", url.PathEscape(pod.Namespace()), url.PathEscape(pod.Name()), port)
	always := func(error) bool { return true }
	err := c.send(limited, request{method: http.MethodGet, path: path, once: always}, new(string))
	// In just these words: the service may have failed to reach another.
	dialed := "dial tcp " + net.JoinHostPort(pod.Text("status", "podIP"), strconv.Itoa(port)) + ": connect: connection refused"
	return err != nil && strings.Contains(err.Error(), dialed)
}
