package main

import (
	"strings"
	"testing"
)

func TestHint(t *testing.T) {
	for said, want := range map[string]string{
		"":                                      "environment and arguments",
		"panic: no DATABASE_URL":                "environment and arguments",
		"open /data: is a pipe":                 "environment and arguments",
		"open x.db: permission denied\nbye":     "below /tmp and $HOME",
		"pq: permission denied for table items": "environment and arguments",
		"dial unix /run/mysqld.sock: connect: no such file or directory":               "environment and arguments",
		"listen unix /run/x.sock: bind: permission denied":                             "below /tmp",
		"fork/exec /usr/bin/git: no such file or directory":                            "--base",
		"mkdir /var/lib/app: read-only file system":                                    "below /tmp and $HOME",
		"listen tcp :80: bind: permission denied":                                      "above 1023",
		`exec: "git": executable file not found in $PATH`:                              "--base",
		"open config/app.yaml: no such file or directory":                              "needs: files",
		"panic: html/template: pattern matches no files: `templates/*`\n\ngoroutine 1": "needs: files",
	} {
		if got := hint(strings.Split(said, "\n")); !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}
