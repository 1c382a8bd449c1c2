package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// faultToken is what a client of the proxy must show.
const faultToken = "x"

// cutAfter is when a request is cut that a rule gives status 0.
const cutAfter = 500 * time.Millisecond

// faults is a reverse proxy before an API server that gets in the way as it is told.
// Watches stream through it, and connections are upgraded, as for a port-forward.
type faults struct {
	proxy   *httputil.ReverseProxy
	server  *http.Server
	address string // host:port on which it listens
	ca      []byte // PEM of the certificate that it shows

	mu       sync.Mutex
	listener *gate // nil while it is cut off
	prefix   string
	latency  time.Duration
	plain    bool // discovery is not aggregated
	rules    []*faultRule
	requests []faultRequest
}

// faultRule answers some of the requests in place of the API server.
type faultRule struct {
	method  string // of HTTP, ANY, or WRITE
	path    *regexp.Regexp
	status  int // 0 passes it on and cuts it half-way
	times   int
	after   int // matching requests that are let through before
	message string
	seen    int
}

// faultRequest is one that came to the proxy; uri is without the prefix.
type faultRequest struct {
	method, uri string
	write       bool
}

func newFaultRequest(method, uri string) faultRequest {
	write := method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
	for _, harmless := range []string{"dryRun=All", "accessreviews", "subjectrulesreviews", "/portforward"} {
		write = write && !strings.Contains(uri, harmless)
	}
	return faultRequest{method, uri, write}
}

// matches says whether the request is of a method and its path with its query has the
// pattern. ANY is every method; WRITE is every request that changes something.
func (r faultRequest) matches(method string, path *regexp.Regexp) bool {
	switch method {
	case "ANY":
	case "WRITE":
		if !r.write {
			return false
		}
	case r.method:
	default:
		return false
	}
	return path.MatchString(r.uri)
}

// startFaults starts a proxy before the API server at upstream, which transport
// reaches with the right to do everything.
func startFaults(upstream *url.URL, transport http.RoundTripper) (*faults, error) {
	certificate, ca, err := serverCertificate()
	if err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0)
	f := &faults{ca: ca}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Header.Del("Authorization")
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      quiet,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			writeStatus(w, r.URL.Path, http.StatusServiceUnavailable, err.Error())
		},
	}
	f.server = &http.Server{
		Handler:           f,
		ErrorLog:          quiet,
		ReadHeaderTimeout: 30 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	f.address = "127.0.0.1:0"
	return f, f.heal()
}

// ServeHTTP answers as the rules say, else passes the request on.
func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	prefix, latency, plain := f.prefix, f.latency, f.plain
	f.mu.Unlock()

	path, inside := strings.CutPrefix(r.URL.Path, prefix)
	if !inside || prefix != "" && !strings.HasPrefix(path, "/") {
		http.NotFound(w, r)
		return
	}
	r.URL.Path = path
	r.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, prefix)
	rule := f.note(newFaultRequest(r.Method, r.URL.RequestURI()))
	time.Sleep(latency)
	if plain && (path == "/api" || path == "/apis") {
		r.Header.Set("Accept", "application/json")
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+faultToken:
		writeStatus(w, path, http.StatusUnauthorized, "")
	case rule != nil && rule.status == 0:
		ctx, cancel := context.WithTimeout(r.Context(), cutAfter)
		defer cancel()
		f.proxy.ServeHTTP(w, r.WithContext(ctx))
	case rule != nil:
		writeStatus(w, path, rule.status, rule.message)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// note counts a request and returns the rule that answers it, nil if none does.
func (f *faults) note(request faultRequest) *faultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
	for _, rule := range f.rules {
		if !request.matches(rule.method, rule.path) {
			continue
		}
		rule.seen++
		if rule.seen > rule.after && rule.seen <= rule.after+rule.times {
			return rule
		}
	}
	return nil
}

// count is the number of requests so far that match.
func (f *faults) count(method string, path *regexp.Regexp) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if r.matches(method, path) {
			n++
		}
	}
	return n
}

func (f *faults) add(rule *faultRule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, rule)
}

// clear forgets the rules and the requests.
func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules, f.requests = nil, nil
}

func (f *faults) setPrefix(prefix string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prefix = prefix
}

func (f *faults) setLatency(latency time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency = latency
}

// cut ends all connections and has new ones refused.
func (f *faults) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		f.listener.closeAll()
		f.listener = nil
	}
}

// heal listens again, on the same port.
func (f *faults) heal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		return err
	}
	f.address = listener.Addr().String()
	f.listener = &gate{Listener: listener, open: map[net.Conn]bool{}}
	go func(listener net.Listener) { _ = f.server.ServeTLS(listener, "", "") }(f.listener)
	return nil
}

// kubeconfig leads to the API server through the proxy; namespace is its context's.
func (f *faults) kubeconfig(namespace string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "faulty",
		"clusters": []any{map[string]any{"name": "faulty", "cluster": map[string]any{
			"server": "https://" + f.address + f.prefix, "certificate-authority-data": f.ca,
		}}},
		"users": []any{map[string]any{"name": "faulty", "user": map[string]any{"token": faultToken}}},
		"contexts": []any{map[string]any{"name": "faulty", "context": map[string]any{
			"cluster": "faulty", "user": "faulty", "namespace": namespace,
		}}},
	}, "", "  ")
}

// statuses are what an API server says with a status, where no rule says it.
var statuses = map[int]struct{ reason, message string }{
	http.StatusUnauthorized: {"Unauthorized", "Unauthorized"},
	http.StatusForbidden:    {"Forbidden", "forbidden: not now"},
	http.StatusNotFound:     {"NotFound", "the server could not find the requested resource"},
	http.StatusConflict: {"Conflict", "Operation cannot be fulfilled: the object has been modified; " +
		"please apply your changes to the latest version and try again"},
	http.StatusTooManyRequests:     {"TooManyRequests", "the server has received too many requests and has asked us to try again later"},
	http.StatusInternalServerError: {"", "etcdserver: leader changed"},
	http.StatusServiceUnavailable:  {"ServiceUnavailable", "the server is currently unable to handle the request"},
	http.StatusGatewayTimeout:      {"Timeout", "the server was unable to return a response in the time allotted"},
}

// writeStatus answers as an API server does.
func writeStatus(w http.ResponseWriter, path string, code int, message string) {
	known := statuses[code]
	if message == "" {
		message = known.message
	}
	status := map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Failure", "message": message, "code": code,
	}
	if known.reason != "" {
		status["reason"] = known.reason
	}
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
		status["details"] = map[string]any{"name": path, "retryAfterSeconds": 1}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status)
}

// serverCertificate is one for 127.0.0.1 that signs itself, and its PEM.
func serverCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// command carries out one of a script's fault commands; what it prints goes to out.
func (f *faults) command(out io.Writer, args []string) error {
	usage := fmt.Errorf("fault %s: see TestRollout for what it takes", strings.Join(args, " "))
	if len(args) == 0 {
		return usage
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "add" && len(rest) >= 4:
		return f.addCommand(rest)
	case verb == "count" && len(rest) == 2:
		path, err := regexp.Compile(rest[1])
		if err == nil {
			_, err = fmt.Fprintln(out, f.count(rest[0], path))
		}
		return err
	case verb == "latency" && len(rest) == 1:
		d, err := time.ParseDuration(rest[0])
		f.setLatency(d)
		return err
	case verb == "prefix" && len(rest) == 1:
		f.setPrefix(strings.TrimSuffix(rest[0], "/"))
	case verb == "plain" && len(rest) == 0:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.plain = true
	case verb == "cut" && len(rest) == 0:
		f.cut()
	case verb == "heal" && len(rest) == 0:
		return f.heal()
	case verb == "clear" && len(rest) == 0:
		f.clear()
	default:
		return usage
	}
	return nil
}

// addCommand takes METHOD PATH-REGEXP STATUS TIMES [AFTER [MESSAGE…]].
func (f *faults) addCommand(args []string) error {
	path, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	rule := &faultRule{method: args[0], path: path}
	for i, field := range []*int{&rule.status, &rule.times, &rule.after} {
		if 2+i >= len(args) {
			break
		}
		if *field, err = strconv.Atoi(args[2+i]); err != nil {
			return err
		}
	}
	if len(args) > 5 {
		rule.message = strings.Join(args[5:], " ")
	}
	if !slices.Contains([]string{"ANY", "WRITE", "GET", "POST", "PUT", "PATCH", "DELETE"}, rule.method) {
		return fmt.Errorf("fault add: unknown method %q", rule.method)
	}
	f.add(rule)
	return nil
}

// close ends the proxy and what goes through it.
func (f *faults) close() {
	f.cut()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = f.server.Shutdown(ctx)
}
