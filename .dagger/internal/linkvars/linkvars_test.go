package linkvars

import (
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	const always = " -X main.version=v1.2.3 -X main.revision=abc"
	tests := []struct {
		name  string
		given []string
		want  string
	}{
		{"none", nil, always},
		{"another package", []string{"example.com/app/internal/build.Version={version}"}, always + " -X example.com/app/internal/build.Version=v1.2.3"},
		{"text around", []string{"main.agent=app/{version}+{revision}"}, always + " -X main.agent=app/v1.2.3+abc"},
		{"a path with dots", []string{"gopkg.in/app.v3.commit={revision}"}, always + " -X gopkg.in/app.v3.commit=abc"},
		{"an equals sign in the value", []string{"main.query=a=b"}, always + " -X main.query=a=b"},
		{"no value", []string{"main.suffix="}, always + " -X main.suffix="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Flags(tt.given, "v1.2.3", "abc"); err != nil || got != tt.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestLinkVarsRefuse(t *testing.T) {
	for _, given := range []string{
		"", "main.version", "=x", "version={version}", "main.=x", ".x=y", "-extldflags.x=y", "main.1x=y", "a b.c=d", "main.'x'=y",
		"main.x=a b", "main.x='a'", `main.x="a"`, `main.x=a\b`, "main.x=a\n-extldflags=b", "main.x={vresion}", "main.x={}", "main.x=$HOME", "main.x=`id`",
	} {
		err := Check(given)
		if err == nil {
			t.Errorf("%q is taken", given)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", given, err)
		}
	}
	for _, version := range []string{"1 -extldflags=x", "1'2", "1\n2", `1"2`, "{revision}", "1\u202e2", "`id`"} {
		if flags, err := Flags(nil, version, "abc"); err == nil {
			t.Errorf("version %q is taken: %q", version, flags)
		}
	}
}
