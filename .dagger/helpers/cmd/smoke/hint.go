package main

import (
	"regexp"
	"strings"
)

// hints are what to do about a service that ends before it listens, by what it says last. The first that fits counts.
var hints = []struct {
	said *regexp.Regexp
	do   string
}{
	{regexp.MustCompile(`listen (tcp|udp)\S* \S+: bind: permission denied`), "user 65532 may not listen there: give it a port above 1023"},
	{
		regexp.MustCompile(`\b(open|mkdir|create|rename|unlink|remove|symlink|chmod|chown|bind)\b.*: (permission denied|read-only file system)` +
			`|unable to open database file`),
		"user 65532 may write below /tmp and $HOME only: have it write there",
	},
	{
		regexp.MustCompile(`executable file not found in \$PATH|fork/exec \S+: no such file or directory`),
		"an image from nothing has no other programs: put the service onto one that has, with --base before the function's name",
	},
	{
		regexp.MustCompile(`\b(open|stat|lstat|readdir) .*: no such file or directory|pattern matches no files`),
		"files that it reads at run time stand in the smoke.yaml beside its main package, under needs: files",
	},
}

const needsHint = "what it needs, such as environment and arguments, stands in the smoke.yaml beside its main package"

// hint is what to do about a service that ended with these lines of output.
func hint(log []string) string {
	text := strings.Join(log, "\n")
	for _, h := range hints {
		if h.said.MatchString(text) {
			return h.do
		}
	}
	return needsHint
}
