package questions

import (
	"cmp"
	"strings"

	"slipway/helpers/internal/object"
)

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https" // the certificate is not verified: it is the pod's own
	schemeH2C   = "h2c"   // HTTP/2 without TLS
	schemeGRPC  = "grpc"  // gRPC health only, without or with TLS
	schemeTCP   = "tcp"   // nothing but a connection
)

// Service says how a pod is spoken to.
type Service struct {
	Scheme string // http, https, h2c, grpc or tcp
	Host   string // Host header, "" for the address that is asked
}

// schemes are for what a port is called, or a Service says of its protocol. What is
// not here speaks HTTP.
var schemes = map[string]string{
	"https":             schemeHTTPS,
	"wss":               schemeHTTPS,
	"kubernetes.io/wss": schemeHTTPS,
	"h2c":               schemeH2C,
	"kubernetes.io/h2c": schemeH2C,
	"grpc":              schemeGRPC,
	"grpcs":             schemeGRPC,
	"tcp":               schemeTCP,
	"tls":               schemeTCP,
	"amqp":              schemeTCP,
	"kafka":             schemeTCP,
	"mongo":             schemeTCP,
	"mongodb":           schemeTCP,
	"mqtt":              schemeTCP,
	"mysql":             schemeTCP,
	"postgres":          schemeTCP,
	"postgresql":        schemeTCP,
	"redis":             schemeTCP,
}

// ServiceOf says how a container is spoken to on a port. A probe of that port decides,
// since the kubelet already gets answers in this way; without one, protocol does: the
// port's name or its appProtocol in a Service, or a name that begins with a protocol
// and a hyphen, "" for neither.
func ServiceOf(container object.Object, port int, protocol string) Service {
	for _, name := range probes {
		probe := container.Map(name)
		if number, found := probe.Int("grpc", "port"); found && number == port {
			return Service{Scheme: schemeGRPC}
		}
		get := probe.Map("httpGet")
		if number, found := portNumber(container, get.At("port")); !found || number != port {
			continue
		}
		s := Service{Scheme: schemeHTTP}
		if strings.EqualFold(get.Text("scheme"), schemeHTTPS) {
			s.Scheme = schemeHTTPS
		}
		for _, header := range get.List("httpHeaders") {
			if strings.EqualFold(header.Text("name"), "Host") {
				s.Host = header.Text("value")
			}
		}
		return s
	}
	return Service{Scheme: schemeOf(strings.ToLower(protocol))}
}

var probes = []string{"readinessProbe", "startupProbe", "livenessProbe"}

// Probed says whether a pod is ready only once the kubelet has got an answer on the port.
func Probed(container object.Object, port int) bool {
	for _, name := range probes {
		for _, way := range []string{"httpGet", "tcpSocket", "grpc"} {
			probe := container.Map(name, way)
			if number, found := portNumber(container, probe.At("port")); found && number == port && probe.Text("host") == "" {
				return name != "livenessProbe"
			}
		}
	}
	return false
}

func schemeOf(protocol string) string {
	if strings.HasPrefix(protocol, "grpc-web") {
		return schemeHTTP
	}
	first, _, _ := strings.Cut(protocol, "-")
	return cmp.Or(schemes[protocol], schemes[first], schemeHTTP)
}

// portNumber is the number of a port that a probe names by number or name.
func portNumber(container object.Object, port any) (number int, found bool) {
	if n, ok := object.Int(port); ok {
		return n, true
	}
	for _, p := range container.List("ports") {
		if name := p.Text("name"); name != "" && name == port {
			return p.Int("containerPort")
		}
	}
	return 0, false
}
