package modpath

import "testing"

func TestRepository(t *testing.T) {
	tests := []struct{ module, dir, want string }{
		{"github.com/acme/hello", ".", "https://github.com/acme/hello"},
		{"github.com/acme/hello/v2", ".", "https://github.com/acme/hello"},
		{"github.com/acme/hello/v12", ".", "https://github.com/acme/hello"},
		{"github.com/acme/mono/services/api/v3", ".", "https://github.com/acme/mono"},
		{"github.com/acme/mono/services/api", "services/api", "https://github.com/acme/mono"},
		{"github.com/acme/v2", ".", "https://github.com/acme"},
		{"github.com/acme/hello/v1", ".", "https://github.com/acme/hello"},
		{"gitlab.com/group/sub/hello", ".", "https://gitlab.com/group/sub/hello"},
		{"gitlab.com/group/sub/mono/services/api/v2", "services/api", "https://gitlab.com/group/sub/mono"},
		{"gitlab.com/group/sub/mono.git/services/api", ".", "https://gitlab.com/group/sub/mono"},
		{"git.sr.ht/~ann/hello/cmd", ".", "https://git.sr.ht/~ann/hello"},
		{"example.com/hello", ".", "https://example.com/hello"},
		{"example.com/hello/v2", ".", "https://example.com/hello"},
		{"example.com/mono/api/v2", "api/v2", "https://example.com/mono"},
		{"example.com/mono/api", "elsewhere", "https://example.com/mono/api"},
		{"example.com", ".", "https://example.com"},
		{"hello", ".", ""},
		{"", ".", ""},
	}
	for _, tt := range tests {
		if got := Repository(tt.module, tt.dir); got != tt.want {
			t.Errorf("%s in %s: got %s, want %s", tt.module, tt.dir, got, tt.want)
		}
	}
}
