package gitref

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

var semantic = regexp.MustCompile(`^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$`)

// less compares two tags as semantic versions: 1.9 comes before 1.10, and a candidate
// before its release. What is no version comes before all that are.
func less(a, b string) bool {
	x, y := semantic.FindStringSubmatch(a), semantic.FindStringSubmatch(b)
	if x == nil || y == nil {
		if (x == nil) != (y == nil) {
			return x == nil
		}
		return a < b
	}
	for i := 1; i <= 3; i++ {
		if c := compareNumbers(x[i], y[i]); c != 0 {
			return c < 0
		}
	}
	if x[4] == "" || y[4] == "" {
		if (x[4] == "") != (y[4] == "") {
			return x[4] != ""
		}
		return a < b
	}
	return lessCandidate(x[4], y[4], a < b)
}

// lessCandidate compares what follows the dash, word by word.
func lessCandidate(a, b string, otherwise bool) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(x) && i < len(y); i++ {
		_, xErr := strconv.ParseUint(x[i], 10, 64)
		_, yErr := strconv.ParseUint(y[i], 10, 64)
		switch {
		case xErr == nil && yErr == nil:
			if c := compareNumbers(x[i], y[i]); c != 0 {
				return c < 0
			}
		case (xErr == nil) != (yErr == nil):
			return xErr == nil
		case x[i] != y[i]:
			return x[i] < y[i]
		}
	}
	if len(x) != len(y) {
		return len(x) < len(y)
	}
	return otherwise
}

// compareNumbers compares decimal numbers of any length; none is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
