package needs

import (
	"fmt"

	yamlv2 "go.yaml.in/yaml/v2"
)

// checkKeys refuses what YAML takes for true or false where a name stands: as JSON it would
// be another name, so that {x: 1, y: 2} is sent as {"x": 1, "true": 2}.
func checkKeys(text []byte) error {
	var document any
	if err := yamlv2.Unmarshal(text, &document); err != nil {
		return err
	}
	return checkKeysOf(document, "")
}

func checkKeysOf(value any, at string) error {
	switch value := value.(type) {
	case map[any]any:
		for key, inner := range value {
			if yes, ok := key.(bool); ok {
				return fmt.Errorf("%sYAML takes a name for %t: put y, n, yes, no, on and off in quotes", at, yes)
			}
			if err := checkKeysOf(inner, fmt.Sprintf("%s%v: ", at, key)); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range value {
			if err := checkKeysOf(inner, at); err != nil {
				return err
			}
		}
	}
	return nil
}
