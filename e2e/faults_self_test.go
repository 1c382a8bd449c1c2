package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestFaults tries the proxy before a server that echoes, streams and upgrades.
func TestFaults(t *testing.T) {
	finish := make(chan struct{})
	upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") != "":
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.Copy(conn, buffered)
				conn.Close()
			}
		case r.URL.Query().Has("watch"):
			fmt.Fprintln(w, "first event")
			_ = http.NewResponseController(w).Flush()
			<-finish
		default:
			fmt.Fprintf(w, "%s %s %q", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(upstream.Close)
	t.Cleanup(func() { close(finish) })
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	f, err := startFaults(target, upstream.Client().Transport)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(f.ca)
	trust := &tls.Config{RootCAs: pool}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	send := func(method, path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+f.address+path, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+faultToken)
		return client.Do(req)
	}
	answer := func(method, path string) (int, string) {
		t.Helper()
		resp, err := send(method, path)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return resp.StatusCode, string(body)
	}
	tell := func(line string) string {
		t.Helper()
		var out strings.Builder
		if err := f.command(&out, strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}

	if code, body := answer("PATCH", "/api/v1/a%2Fb?x=1"); code != http.StatusOK || body != `PATCH /api/v1/a%2Fb?x=1 ""` {
		t.Errorf("a request arrives as %d %s", code, body)
	}
	if resp, err := client.Get("https://" + f.address + "/"); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}

	tell("clear")
	tell("add WRITE /deployments/s 500 2 1")
	var codes []int
	for _, path := range []string{"/deployments/s?dryRun=All", "/deployments/s", "/deployments/s", "/deployments/s", "/deployments/s"} {
		code, body := answer("PATCH", path)
		codes = append(codes, code)
		var status struct {
			Kind    string
			Code    int
			Message string
		}
		if code != http.StatusOK && (json.Unmarshal([]byte(body), &status) != nil || status.Kind != "Status" || status.Code != code ||
			status.Message != "etcdserver: leader changed") {
			t.Errorf("the proxy answers %s", body)
		}
	}
	if got := fmt.Sprint(codes); got != "[200 200 500 500 200]" {
		t.Errorf("statuses are %s", got)
	}
	if got := tell("count WRITE deployments") + tell("count ANY .") + tell("count GET ."); got != "4\n5\n0\n" {
		t.Errorf("counts are %q", got)
	}
	tell("clear")
	tell("add GET ^/slow$ 429 1 0 too much")
	if resp, err := send("GET", "/slow"); err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("too many requests: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}

	tell("prefix /k8s/clusters/c-1")
	if code, body := answer("GET", "/k8s/clusters/c-1/version"); code != http.StatusOK || !strings.HasPrefix(body, "GET /version ") {
		t.Errorf("inside the prefix: %d %s", code, body)
	}
	for _, path := range []string{"/version", "/k8s/clusters/c-10/version"} {
		if code, _ := answer("GET", path); code != http.StatusNotFound {
			t.Errorf("%s, outside the prefix: %d", path, code)
		}
	}
	if text, err := f.kubeconfig("ns"); err != nil || !strings.Contains(string(text), f.address+`/k8s/clusters/c-1"`) {
		t.Errorf("kubeconfig: %v\n%s", err, text)
	}
	tell("prefix /")

	tell("latency 50ms")
	start := time.Now()
	answer("GET", "/")
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("a request took %s in spite of the latency", took)
	}
	tell("latency 0s")

	watch, err := send("GET", "/pods?watch")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	events := bufio.NewReader(watch.Body)
	if line, err := events.ReadString('\n'); line != "first event\n" {
		t.Errorf("a watch begins with %q, %v", line, err)
	}
	conn, err := tls.Dial("tcp", f.address, trust)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", faultToken)
	upgraded := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(upgraded, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", resp, err)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := upgraded.ReadString('\n'); line != "hello\n" {
		t.Errorf("an upgraded connection answers %q, %v", line, err)
	}

	tell("cut")
	if line, err := events.ReadString('\n'); err == nil {
		t.Errorf("a watch goes on with %q after the cut", line)
	}
	if line, err := upgraded.ReadString('\n'); err == nil {
		t.Errorf("an upgraded connection goes on with %q after the cut", line)
	}
	if _, err := net.Dial("tcp", f.address); err == nil {
		t.Error("the proxy accepts connections after the cut")
	}
	tell("heal")
	if code, _ := answer("GET", "/"); code != http.StatusOK {
		t.Errorf("after the heal: %d", code)
	}

	for _, line := range []string{"", "add GET", "add FETCH . 500 1", "add GET ( 500 1", "add GET . many 1", "latency soon", "cut off"} {
		if err := f.command(io.Discard, strings.Fields(line)); err == nil {
			t.Errorf("fault %q is taken", line)
		}
	}
	if f.count("ANY", regexp.MustCompile("^/echo")) != 1 {
		t.Error("the upgrade was not counted")
	}
}
