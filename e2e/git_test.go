package e2e

import (
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// startGit serves the Git repositories below $WORK/git as a server does, over HTTP, to
// whatever reaches this machine, on the port given or any.
func startGit(ts *testscript.TestScript, _ bool, args []string) {
	out, err := exec.Command("git", "--exec-path").Output()
	ts.Check(err)
	handler := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + ts.MkAbs("git"), "GIT_HTTP_EXPORT_ALL=1"},
	}
	listener, err := net.Listen("tcp", ":"+append(args, "0")[0])
	ts.Check(err)
	server := &http.Server{Handler: handler} //nolint:gosec // Nobody slow asks it.
	go func() { _ = server.Serve(listener) }()
	ts.Defer(func() { _ = server.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	ts.Setenv("GIT", net.JoinHostPort(lanAddress(ts), port))
}
