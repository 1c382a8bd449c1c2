package sanitize

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"slipway/helpers/internal/object"
)

const shortLine = 6 // bytes of a value's line that is masked in a message about its Secret

// Secret is a message about a Secret, such as the API server's refusal, without any of
// the Secret's values, however short. White space is no value.
func Secret(text string, secret object.Object) string {
	var m masker
	for _, value := range append(Values(secret), written(secret)...) {
		m.add(spellings(value, shortLine)...)
	}
	return m.mask(text)
}

// Values are all values of a Secret, decoded. One that is no valid base64 is there as it
// is written, and numbers and booleans that should be strings are there as text.
func Values(secret object.Object) []string {
	values := texts(secret["stringData"])
	for _, text := range texts(secret["data"]) {
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			text = string(decoded)
		}
		values = append(values, text)
	}
	return sortedSet(values)
}

// written are the values of a Secret as its manifest has them.
func written(secret object.Object) []string {
	return sortedSet(append(texts(secret["stringData"]), texts(secret["data"])...))
}

// texts are the scalars in a JSON value. A number has several spellings, since a decoder
// may have made a float of it before it wrote its error.
func texts(node any) []string {
	var all []string
	switch v := node.(type) {
	case nil:
	case string:
		all = append(all, v)
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(all, texts(v[key])...)
		}
	case object.Object:
		return texts(map[string]any(v))
	case []any:
		for _, item := range v {
			all = append(all, texts(item)...)
		}
	case json.Number:
		all = append(all, v.String())
		if f, err := v.Float64(); err == nil {
			all = append(all, strconv.FormatFloat(f, 'g', -1, 64), strconv.FormatFloat(f, 'f', -1, 64), strconv.FormatFloat(f, 'f', 6, 64))
		}
	default:
		all = append(all, fmt.Sprint(v))
	}
	return all
}

func sortedSet(values []string) []string {
	values = slices.DeleteFunc(values, func(value string) bool { return value == "" })
	slices.Sort(values)
	return slices.Compact(values)
}
