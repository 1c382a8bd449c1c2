package kube

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// warningLimit is how many different warnings are kept of one API server.
const warningLimit = 50

// warnings are what the API server remarks on what is written: that a version of an API
// ends, that a field is unknown, that the namespace's Pod Security asks for more. Each is
// kept once.
type warnings struct {
	mu   sync.Mutex
	kept []string
	more int
}

// add takes the Warning headers of an answer.
func (w *warnings) add(header http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, value := range header.Values("Warning") {
		for _, text := range warningTexts(value) {
			switch {
			case slices.Contains(w.kept, text):
			case len(w.kept) < warningLimit:
				w.kept = append(w.kept, text)
			default:
				w.more++
			}
		}
	}
}

// Warnings are what the API server remarked on what was written so far, or would have been
// by a dry run, and how many more there were than are kept. They are foreign text.
func (c *Client) Warnings() (kept []string, more int) {
	c.warnings.mu.Lock()
	defer c.warnings.mu.Unlock()
	return slices.Clone(c.warnings.kept), c.warnings.more
}

// warningTexts are the texts in a header's value, which has one or several of
// code agent "text" or code agent "text" "date", separated by commas. Kubernetes knows no
// other code than 299. What is of another form ends the reading.
func warningTexts(value string) []string {
	var texts []string
	for {
		code, rest, _ := strings.Cut(strings.TrimLeft(value, " ,\t"), " ")
		_, rest, _ = strings.Cut(rest, " ")
		text, rest, ok := quoted(rest)
		if !ok {
			return texts
		}
		if text = strings.TrimSpace(text); code == "299" && text != "" {
			texts = append(texts, text)
		}
		if _, after, dated := quoted(strings.TrimLeft(rest, " ")); dated {
			rest = after
		}
		value = rest
	}
}

// quoted cuts a text in double quotes off, in which a backslash stands before characters
// that are meant as they are.
func quoted(s string) (text, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", s, false
			}
		}
		b.WriteByte(s[i])
	}
	return "", s, false
}
