package sanitize

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	masked    = "***"
	keyLength = 6 // bytes by which values are looked up, and the least of a cut one that is recognized
)

// masker replaces values in a text. The time it takes depends on the text and not on
// how many values there are.
type masker struct {
	values   map[string][]string // by their first bytes, keyLength of them or all
	shortest int                 // length of these
}

func (m *masker) add(values ...string) {
	if m.values == nil {
		m.values, m.shortest = map[string][]string{}, keyLength
	}
	for _, value := range values {
		if strings.TrimSpace(value) == "" {
			continue // it would hide the space between words
		}
		key := value[:min(keyLength, len(value))]
		m.shortest = min(m.shortest, len(key))
		if !slices.Contains(m.values[key], value) {
			m.values[key] = append(m.values[key], value)
		}
	}
}

// mask replaces the values in a text. Values that overlap or touch are one stretch, so
// that nothing is left of the one that begins later.
func (m *masker) mask(text string) string {
	if len(m.values) == 0 {
		return text
	}
	var out strings.Builder
	end := 0 // of what is in out
	for i := range len(text) {
		n := m.longest(text[i:])
		if n == 0 {
			continue
		}
		if i > end || out.Len() == 0 {
			out.WriteString(text[end:i])
			out.WriteString(masked)
		}
		end = max(end, i+n)
	}
	return out.String() + text[end:]
}

// longest is the length of the longest value that a text begins with. A value that was
// cut counts too, as Line cuts it, or YAML's errors do: "cannot unmarshal !!str `passwor...`".
func (m *masker) longest(text string) (length int) {
	for n := m.shortest; n <= min(keyLength, len(text)); n++ {
		for _, value := range m.values[text[:n]] {
			same := common(text, value)
			rest := text[same:]
			if same == len(value) || strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, "...") {
				length = max(length, same)
			}
		}
	}
	return length
}

// common is how many bytes two texts have in common at their beginning.
func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// spellings are the ways in which a value may be found in a text: itself, its lines of at
// least so many bytes, each without white space around it too, and each in the usual
// encodings.
func spellings(value string, line int) []string {
	plain := []string{value, strings.TrimSpace(value)}
	if lines := strings.Split(value, "\n"); len(lines) > 1 {
		for _, l := range lines {
			if l = strings.TrimSpace(l); len(l) >= line {
				plain = append(plain, l)
			}
		}
	}
	slices.Sort(plain)
	var all []string
	for _, p := range slices.Compact(plain) {
		if p != "" {
			all = append(all, encodings(p)...)
		}
	}
	return all
}

func encodings(value string) []string {
	raw := []byte(value)
	return []string{
		value,
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		unquote(strconv.Quote(value)), unquote(strconv.QuoteToASCII(value)),
		unquote(asJSON(value, true)), unquote(asJSON(value, false)),
		url.QueryEscape(value), url.PathEscape(value),
		visible(spaces.Replace(strings.TrimRight(value, "\r\n"))), oneLine(value),
	}
}

func unquote(text string) string { return text[1 : len(text)-1] }

// asJSON is a string as JSON, with or without < > & escaped.
func asJSON(value string, escapeHTML bool) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(escapeHTML)
	if err := enc.Encode(value); err != nil {
		panic(err) // a string can always be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}
