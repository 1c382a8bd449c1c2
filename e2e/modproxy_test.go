package e2e

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// private is a module that a proxy with a password alone has. Its text is one of this run's own, so
// that no cache of the engine knows it.
const private = "private.test/priv"

// modproxy starts a module proxy that speaks TLS with a certificate of its own, and wants a
// password. It writes what a user of it has: modproxy/ca.pem, modproxy/netrc, modproxy/wrong,
// and the module's lines of go.sum.
func modproxy(ts *testscript.TestScript, _ bool, _ []string) {
	password, text := rand.Text(), rand.Text()
	mod := "module " + private + "\n\ngo 1.25\n"
	files := map[string]string{
		private + "@v1.0.0/go.mod":  mod,
		private + "@v1.0.0/priv.go": fmt.Sprintf("package priv\n\nconst Text = %q\n", text),
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		ts.Check(err)
		_, err = f.Write([]byte(files[name]))
		ts.Check(err)
	}
	ts.Check(w.Close())
	answers := map[string][]byte{
		".info": []byte(`{"Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z"}`), ".mod": []byte(mod), ".zip": archive.Bytes(),
	}

	listener, err := net.Listen("tcp", ":0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	address := net.JoinHostPort(lanAddress(ts), port)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, given, _ := r.BasicAuth(); name != "ann" || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="modules"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		answer, ok := answers[filepath.Ext(r.URL.Path)]
		if !ok || !strings.HasPrefix(r.URL.Path, "/"+private+"/@v/v1.0.0.") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(answer)
	}))
	ts.Check(server.Listener.Close())
	server.Listener = listener
	dir := ts.MkAbs("modproxy")
	ts.Check(os.MkdirAll(dir, 0o755))
	writeCertificate(ts, dir)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem"))
	ts.Check(err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	ts.Defer(server.Close)

	sums := fmt.Sprintf("%s v1.0.0 %s\n%[1]s v1.0.0/go.mod %[3]s\n", private, moduleSum(files), moduleSum(map[string]string{"go.mod": mod}))
	for name, text := range map[string]string{
		"netrc":  fmt.Sprintf("machine %s login ann password %s\n", address, password),
		"wrong":  fmt.Sprintf("machine %s login ann password let-me-out\n", address),
		"go.sum": sums,
	} {
		ts.Check(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	ts.Setenv("MODPROXY", "https://"+address)
	ts.Setenv("MODPROXY_PASSWORD", password)
	ts.Setenv("MODPROXY_TEXT", text)
}

// moduleSum is what go.sum says of files.
func moduleSum(files map[string]string) string {
	lines := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(lines, "%x  %s\n", sha256.Sum256([]byte(files[name])), name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(lines.Sum(nil))
}
