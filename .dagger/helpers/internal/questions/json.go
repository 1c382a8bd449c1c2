package questions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// judgeJSON is what is wrong with the fields of a body that is JSON.
func (r Request) judgeJSON(body []byte) []string {
	if len(r.JSON) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var document any
	if err := dec.Decode(&document); err != nil {
		return []string{unlike("a body in JSON", "", excerpt(body))}
	}
	var problems []string
	for _, pointer := range slices.Sorted(maps.Keys(r.JSON)) {
		got, found := follow(document, pointer)
		switch {
		case !found:
			problems = append(problems, fmt.Sprintf("expected %s in the body to be %s, and there is no such field",
				pointer, inJSON(r.JSON[pointer])))
		case !equalJSON(got, r.JSON[pointer]):
			problems = append(problems, unlike(pointer+" in the body to be", inJSON(r.JSON[pointer]), inJSON(got)))
		}
	}
	return problems
}

// follow is what a JSON Pointer leads to.
func follow(node any, pointer string) (value any, found bool) {
	if pointer == "" {
		return node, true
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch parent := node.(type) {
		case map[string]any:
			if node, found = parent[token]; !found {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(parent) {
				return nil, false
			}
			node = parent[i]
		default:
			return nil, false
		}
	}
	return node, true
}

// equalJSON compares values as JSON does: 1 and 1.0 are one number.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, isNumber := b.(json.Number)
		return isNumber && equalNumbers(a.String(), b.String())
	case map[string]any:
		b, isMap := b.(map[string]any)
		return isMap && maps.EqualFunc(a, b, equalJSON)
	case []any:
		b, isList := b.([]any)
		return isList && slices.EqualFunc(a, b, equalJSON)
	default:
		return a == b
	}
}

// exponentLimit bounds what is compared as a number: a rational of 1e999999999 fills memory.
const exponentLimit = 40

func equalNumbers(a, b string) bool {
	if a == b || len(a) > exponentLimit || len(b) > exponentLimit {
		return a == b
	}
	for _, text := range []string{a, b} {
		_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
		if n, err := strconv.Atoi(exponent); exponent != "" && (err != nil || n > exponentLimit || n < -exponentLimit) {
			return false
		}
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}

func inJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error() // of nothing that came from JSON
	}
	if len(text) > 200 {
		return string(text[:200]) + "…"
	}
	return string(text)
}
