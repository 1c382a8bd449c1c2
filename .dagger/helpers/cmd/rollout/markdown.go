package main

import (
	"fmt"
	"html"
	"strings"

	"slipway/helpers/internal/object"
)

// markdown is the format of a difference for a comment on a pull request.
const markdown = "markdown"

// markdownLimit is the bytes of the differences that are shown: GitHub takes comments of
// 65,536 characters.
const markdownLimit = 55_000

// newcomers is the difference where the namespace is not there yet.
func (s *session) newcomers(objects []object.Object) differences {
	d := differences{notes: []string{fmt.Sprintf("namespace %s is not there yet", s.Namespace)}}
	for _, o := range objects {
		d.changes = append(d.changes, difference{object: o.String()})
	}
	return d
}

// printMarkdown prints a difference. Everything that comes from manifests or the cluster
// stands in a block of code, where it is no Markdown and mentions nobody; names are HTML's text.
func (s *session) printMarkdown(d differences) error {
	var out strings.Builder
	title := "nothing would change"
	switch n := len(d.changes) + len(d.removed); {
	case n == 1:
		title = "1 object would change"
	case n > 1:
		title = fmt.Sprintf("%d objects would change", n)
	}
	fmt.Fprintf(&out, "### Deploy of %s to namespace %s: %s\n", s.Release, s.Namespace, title)
	room := markdownLimit
	var brief []string // without a difference of their own, or none that there is room for
	for _, ch := range d.changes {
		if ch.text == "" || len(ch.text) > room {
			brief = append(brief, ch.object+" would be made or changed")
			continue
		}
		room -= len(ch.text)
		fmt.Fprintf(&out, "\n<details><summary><code>%s</code></summary>\n\n%s\n</details>\n",
			html.EscapeString(ch.object), fenced("diff", ch.text))
	}
	lines := append(append(brief, d.removed...), d.notes...)
	if len(lines) > 0 {
		fmt.Fprintf(&out, "\n%s", fenced("text", firstLines(strings.Join(lines, "\n")+"\n", 200)))
	}
	_, err := fmt.Fprint(s.out, out.String())
	return err
}

// fenced is a block of code around a text, whatever the text holds.
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimSuffix(text, "\n") + "\n" + fence + "\n"
}
