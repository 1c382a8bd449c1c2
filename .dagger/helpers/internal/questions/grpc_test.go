package questions

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// health is a gRPC server's answer to a health check.
type health struct {
	status  int // of HTTP
	code    string
	words   string
	message string
}

func (h health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, err := io.ReadAll(r.Body)
	if err != nil || string(call) != "\x00\x00\x00\x00\x00" || r.Method != http.MethodPost || r.ProtoMajor != 2 ||
		r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" {
		http.Error(w, "this is no gRPC", http.StatusTeapot)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(h.status)
	_, _ = io.WriteString(w, h.message)
	if h.code != "" {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", h.code)
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", h.words)
	}
}

// headOnly is a server that has the code in the head, for want of a message.
func headOnly(code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Grpc-Status", code) }
}

func TestHealth(t *testing.T) {
	message := func(fields string) string { return "\x00\x00\x00\x00" + string(rune(len(fields))) + fields }
	const name = "grpc.health.v1.Health/Check "
	for _, c := range []struct {
		handler      http.Handler
		row, problem string
	}{
		{health{200, "0", "", message("\x08\x01")}, "ok " + name + "SERVING, ", ""},
		{health{200, "0", "", message("\x08\x02")}, "FAILED " + name + "NOT_SERVING, ", "its health is NOT_SERVING, expected SERVING"},
		{health{200, "0", "", message("\x08\x03")}, "FAILED " + name + "SERVICE_UNKNOWN, ", "its health is SERVICE_UNKNOWN"},
		{health{200, "0", "", message("\x08\x90\x01")}, "FAILED " + name + "status 144, ", "its health is status 144"},
		{health{200, "0", "", message("")}, "FAILED " + name + "UNKNOWN, ", "its health is UNKNOWN"},
		{health{200, "12", "unknown service", ""}, "ok " + name + "UNIMPLEMENTED: it has no health service, ", ""},
		{health{200, "5", "", ""}, "ok " + name + "NOT_FOUND: ", ""},
		{health{200, "7", "", ""}, "ok " + name + "PERMISSION_DENIED: ", ""},
		{health{200, "16", "", ""}, "ok " + name + "UNAUTHENTICATED: ", ""},
		{health{200, "14", "no database", ""}, "FAILED " + name + "gRPC status 14, ", `gRPC status 14, "no database"`},
		{headOnly("12"), "ok " + name + "UNIMPLEMENTED: ", ""},
		{headOnly("2"), "FAILED " + name + "gRPC status 2, ", `gRPC status 2, ""`},
		{health{404, "", "", ""}, "ok " + name + "UNIMPLEMENTED: ", ""},
		{health{200, "", "", ""}, "FAILED " + name + "HTTP status 200 without", "speaks another protocol than gRPC; say which"},
		{health{500, "x", "", ""}, "FAILED " + name + "HTTP status 500 without", "speaks another protocol than gRPC; say which"},
		{health{200, "0", "", ""}, "FAILED " + name + "an answer that is none, ", `the message is no HealthCheckResponse: ""`},
		{health{200, "0", "", "\x01" + message("\x08\x01")[1:]}, "FAILED " + name, `no HealthCheckResponse: "\x01`},
		{health{200, "0", "", message("\x08\x01")[:6]}, "FAILED " + name, "the message is no HealthCheckResponse"},
		{health{200, "0", "", message("\x08")}, "FAILED " + name, "the message is no HealthCheckResponse"},
		{health{200, "0", "", message("\x10\x01")}, "FAILED " + name, "the message is no HealthCheckResponse"},
	} {
		for kind, server := range grpcServers(c.handler) {
			t.Run(c.row+kind, func(t *testing.T) {
				defer server.Close()
				check(t, one(t, server.Listener.Addr().String(), Service{Scheme: schemeGRPC}, waiting(c.problem), `{"path": "/"}`), c.row, c.problem)
			})
		}
	}
}

// grpcServers are the handler's for HTTP/2 only, with and without TLS.
func grpcServers(handler http.Handler) map[string]*httptest.Server {
	plain, secure := httptest.NewUnstartedServer(handler), httptest.NewUnstartedServer(handler)
	plain.Config.ErrorLog, secure.Config.ErrorLog = quiet, quiet
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	secure.EnableHTTP2 = true
	plain.Start()
	secure.StartTLS()
	return map[string]*httptest.Server{"h2c": plain, "TLS": secure}
}

func TestNoGRPC(t *testing.T) {
	both := servers(service())
	defer both[schemeHTTP].Close()
	defer both[schemeHTTPS].Close()
	const name = "grpc.health.v1.Health/Check "
	for _, c := range []struct{ name, address, row, problem string }{
		{"HTTP/1", listen(t, say("HTTP/1.1 400 Bad Request\r\n\r\n")), "FAILED " + name + "no answer", "the port speaks HTTP/1 only"},
		{"HTTP/2 with TLS", both[schemeHTTPS].Listener.Addr().String(), "ok " + name + "UNIMPLEMENTED: it has no health service", ""},
		{"nobody", shut, "no answer " + name, "connection refused"},
		{"closed when asked", listen(t, readOnce), "no answer " + name, "the connection broke: "},
		{"silence", listen(t, silent), "FAILED " + name + "no answer", "no answer within 300ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, one(t, c.address, Service{Scheme: schemeGRPC}, waiting(c.problem), `{"path": "/"}`), c.row, c.problem)
		})
	}
}

// A server for HTTP/2 without TLS answers questions over HTTP, too.
func TestH2C(t *testing.T) {
	server := grpcServers(service())["h2c"]
	defer server.Close()
	address := server.Listener.Addr().String()
	check(t, one(t, address, Service{Scheme: schemeH2C}, patient, `{"path": "/", "body": "Hello World"}`), "ok GET / 200, 11 bytes", "")
	if a := one(t, address, Service{Scheme: schemeHTTP}, patient, `{"path": "/"}`); a.Way == nil {
		t.Errorf("without HTTP/2: got %+v", a)
	}
}
