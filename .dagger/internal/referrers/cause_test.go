package referrers

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/plainhttp"
)

func TestUnanswered(t *testing.T) {
	down := fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	for want, err := range map[string]error{
		"--registry-ca":        errors.Join(x509.UnknownAuthorityError{}, plainhttp.ErrRefused),
		"nothing listens":      errors.Join(down, plainhttp.ErrRefused),
		"or give --plain-http": fmt.Errorf("ping: %w", plainhttp.ErrRefused),
	} {
		if got := Unanswered(err); got == nil || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: got %v", err, got)
		}
	}
	if got := Unanswered(down); got != nil {
		t.Errorf("got %v", got)
	}
}

// What a registry answers is in the error, and nothing for a terminal or a CI system to obey.
func TestPushCauseIsHarmless(t *testing.T) {
	const bad = "\x1b]0;x\a\u202e##[error]x\n::stop-commands::y"
	for what, answer := range map[string]http.HandlerFunc{
		"an error of a registry": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]any{{"code": "DENIED", "message": bad, "detail": bad}}})
		},
		"something else": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, bad, http.StatusInternalServerError) },
		"no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte(bad + "\r\n\r\n"))
				_ = conn.Close()
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/hello:v1")
			if err != nil {
				t.Fatal(err)
			}
			err = PushCause(tag.Context(), remote.CheckPushPermission(tag, authn.DefaultKeychain, server.Client().Transport))
			if err == nil || strings.ContainsAny(err.Error(), "\x1b\a\u202e\n") || strings.Contains(err.Error(), "##[") {
				t.Errorf("%q", err)
			}
		})
	}
}
