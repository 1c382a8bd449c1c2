package questions

import (
	"encoding/json"
	"testing"

	"slipway/helpers/internal/object"
)

func TestServiceOf(t *testing.T) {
	const (
		get    = `{"httpGet": {"path": "/", "port": 8080}}`
		named  = `{"httpGet": {"path": "/", "port": "web", "scheme": "HTTPS"}}`
		secure = `{"httpGet": {"path": "/", "port": 8080, "scheme": "HTTPS"}}`
		other  = `{"httpGet": {"path": "/", "port": 9090, "scheme": "HTTPS"}}`
		socket = `{"tcpSocket": {"port": 8080}}`
		grpc   = `{"grpc": {"port": 8080}}`
		hosted = `{"httpGet": {"port": 8080, "httpHeaders": [{"name": "A", "value": "b"}, {"name": "host", "value": "shop.example"}]}}`
		ports  = `"ports": [{"containerPort": 9090}, {"name": "web", "containerPort": 8080}]`
	)
	for _, c := range []struct{ container, protocol, scheme, host string }{
		{`{}`, "", schemeHTTP, ""},
		{`{"readinessProbe": ` + get + `}`, "", schemeHTTP, ""},
		{`{"readinessProbe": ` + get + `}`, "grpc", schemeHTTP, ""},
		{`{"readinessProbe": ` + secure + `}`, "", schemeHTTPS, ""},
		{`{"readinessProbe": ` + secure + `}`, "http", schemeHTTPS, ""},
		{`{"readinessProbe": ` + named + `, ` + ports + `}`, "", schemeHTTPS, ""},
		{`{"readinessProbe": ` + named + `}`, "", schemeHTTP, ""},
		{`{"readinessProbe": ` + other + `}`, "", schemeHTTP, ""},
		{`{"readinessProbe": ` + grpc + `}`, "", schemeGRPC, ""},
		{`{"readinessProbe": ` + grpc + `}`, "https", schemeGRPC, ""},
		{`{"readinessProbe": ` + socket + `}`, "", schemeHTTP, ""},
		{`{"readinessProbe": ` + socket + `}`, "https", schemeHTTPS, ""},
		{`{"readinessProbe": {"exec": {"command": ["true"]}}, "livenessProbe": ` + secure + `}`, "", schemeHTTPS, ""},
		{`{"startupProbe": ` + grpc + `, "livenessProbe": ` + secure + `}`, "", schemeGRPC, ""},
		{`{"readinessProbe": ` + other + `, "startupProbe": ` + get + `, "livenessProbe": ` + secure + `}`, "", schemeHTTP, ""},
		{`{"readinessProbe": ` + hosted + `}`, "", schemeHTTP, "shop.example"},
		{`{}`, "https", schemeHTTPS, ""},
		{`{}`, "HTTPS", schemeHTTPS, ""},
		{`{}`, "https-admin", schemeHTTPS, ""},
		{`{}`, "kubernetes.io/wss", schemeHTTPS, ""},
		{`{}`, "kubernetes.io/ws", schemeHTTP, ""},
		{`{}`, "kubernetes.io/h2c", schemeH2C, ""},
		{`{}`, "grpc", schemeGRPC, ""},
		{`{}`, "grpc-api", schemeGRPC, ""},
		{`{}`, "grpc-web", schemeHTTP, ""},
		{`{}`, "grpc-web-api", schemeHTTP, ""},
		{`{}`, "http", schemeHTTP, ""},
		{`{}`, "http2", schemeHTTP, ""}, // as often the second port for HTTP
		{`{}`, "tcp", schemeTCP, ""},
		{`{}`, "redis-main", schemeTCP, ""},
		{`{}`, "mongo", schemeTCP, ""},
		{`{}`, "mysql", schemeTCP, ""},
		{`{}`, "postgres", schemeTCP, ""},
		{`{}`, "web", schemeHTTP, ""},
		{`{}`, "-", schemeHTTP, ""},
		{`{"readinessProbe": 1, "ports": "x"}`, "", schemeHTTP, ""},
	} {
		var container object.Object
		if err := object.Decode([]byte(c.container), &container); err != nil {
			t.Fatal(err)
		}
		if got, want := ServiceOf(container, 8080, c.protocol), (Service{c.scheme, c.host}); got != want {
			t.Errorf("%s %q: got %+v, want %+v", c.container, c.protocol, got, want)
		}
	}
}

func TestProbed(t *testing.T) {
	for name, test := range map[string]struct {
		container string
		want      bool
	}{
		"none":           {`{}`, false},
		"by number":      {`{"readinessProbe":{"tcpSocket":{"port":8080}}}`, true},
		"by name":        {`{"startupProbe":{"httpGet":{"port":"web"}},"ports":[{"name":"web","containerPort":8080}]}`, true},
		"gRPC":           {`{"readinessProbe":{"grpc":{"port":8080}}}`, true},
		"another port":   {`{"readinessProbe":{"httpGet":{"port":9090}}}`, false},
		"another host":   {`{"readinessProbe":{"httpGet":{"port":8080,"host":"127.0.0.1"}}}`, false},
		"by a program":   {`{"readinessProbe":{"exec":{"command":["true"]}}}`, false},
		"liveness alone": {`{"livenessProbe":{"tcpSocket":{"port":8080}}}`, false},
	} {
		var container object.Object
		if err := json.Unmarshal([]byte(test.container), &container); err != nil {
			t.Fatal(err)
		}
		if got := Probed(container, 8080); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
