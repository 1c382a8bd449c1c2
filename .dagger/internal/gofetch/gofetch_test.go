package gofetch

import (
	"maps"
	"strings"
	"testing"
)

func TestFetchSettings(t *testing.T) {
	tests := []struct {
		name     string
		settings Settings
		want     string // of the refusal, "" if there is none
	}{
		{"nothing", Settings{}, ""},
		{"proxy", Settings{Proxy: "https://proxy.example.com/go,direct", Netrc: true}, ""},
		{"proxies", Settings{Proxy: "http://10.0.0.1:3000|https://proxy.example.com,off"}, ""},
		{"password", Settings{Proxy: "https://ann:let-me-in@proxy.example.com"}, "--go-proxy holds a password"},
		{"password that is no URL", Settings{Proxy: "https://ann:%zz@proxy.example.com"}, "--go-proxy holds a password"},
		{"password in the clear", Settings{Proxy: "http://proxy.example.com", Netrc: true}, "go sends no password"},
		{"no proxy", Settings{Proxy: "proxy.example.com"}, `"proxy.example.com" is no module proxy`},
		{"file", Settings{Proxy: "file:///go"}, `"file:///go" is no module proxy`},
		{"private", Settings{Private: "*.corp.example.com,git.example.com/team/*"}, ""},
		{"spaces", Settings{Private: "git.example.com/a, git.example.com/b"}, "is no list of modules"},
		{"URL", Settings{Private: "https://git.example.com"}, "is no list of modules"},
		{"empty pattern", Settings{Private: "a.example,,b.example"}, "is no list of modules"},
		{"agent", Settings{Private: "git.example.com/team/*", SSH: true}, ""},
		{"agent alone", Settings{SSH: true}, "--ssh-agent: say with --go-private"},
		{"agent for many hosts", Settings{Private: "*.example.com", SSH: true}, "*.example.com stands for several"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.settings.Check()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "let-me-in") || strings.Contains(err.Error(), "%zz")) {
				t.Errorf("the refusal shows the password: %v", err)
			}
		})
	}
}

func TestEnv(t *testing.T) {
	got := Settings{Proxy: "direct", Private: "b.example/x,a.example,b.example/y", SSH: true}.Env()
	want := map[string]string{
		"GIT_TERMINAL_PROMPT": "0",
		"GOPROXY":             "direct",
		"GOPRIVATE":           "b.example/x,a.example,b.example/y",
		"GIT_SSH_COMMAND":     "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
		"GIT_CONFIG_COUNT":    "2",
		"GIT_CONFIG_KEY_0":    "url.ssh://git@a.example/.insteadOf",
		"GIT_CONFIG_VALUE_0":  "https://a.example/",
		"GIT_CONFIG_KEY_1":    "url.ssh://git@b.example/.insteadOf",
		"GIT_CONFIG_VALUE_1":  "https://b.example/",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
