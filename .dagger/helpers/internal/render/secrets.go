package render

import (
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

// keeper collects what files seem to keep secret. kustomize quotes in its errors what
// it cannot read, so this errs on the side of too much.
type keeper struct{ values []string }

// text is a file all of which is secret, or lines of KEY=VALUE.
func (k *keeper) text(text []byte) {
	k.values = append(k.values, string(text))
	for line := range strings.Lines(string(text)) {
		if _, value, ok := strings.Cut(line, "="); ok {
			k.values = append(k.values, strings.TrimSpace(value))
		}
	}
}

var keyValue = regexp.MustCompile(`(?m)^[\s{,-]*"?[\w.-]+"?\s*[:=]\s*(\S.*)$`)

// yaml are manifests, patches or a kustomization.
func (k *keeper) yaml(text []byte) {
	for _, document := range documents(text) {
		var node any
		if yaml.Unmarshal(document, &node) == nil {
			k.node(node)
			continue
		}
		if !strings.Contains(string(document), "Secret") && !strings.Contains(string(document), "secret") {
			continue
		}
		for _, match := range keyValue.FindAllStringSubmatch(string(document), -1) {
			k.values = append(k.values, strings.Trim(match[1], `"'}], `))
		}
	}
}

// node finds Secrets, what generates them, and patches of them.
func (k *keeper) node(node any) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			k.node(item)
		}
	case string:
		// A patch in a kustomization, or a configuration.
		if strings.Contains(node, "\n") || strings.Contains(node, "{") {
			k.yaml([]byte(node))
		}
	case map[string]any:
		if _, ok := node["stringData"]; ok || node["kind"] == "Secret" {
			k.values = append(k.values, sanitize.Values(node)...)
		}
		if path, _ := node["path"].(string); strings.HasPrefix(path, "/data") || strings.HasPrefix(path, "/stringData") {
			k.values = append(k.values, sanitize.Values(object.Object{"stringData": node["value"]})...)
		}
		for name, value := range node {
			if strings.EqualFold(name, "literals") {
				literals, _ := value.([]any)
				for _, literal := range literals {
					text, _ := literal.(string)
					k.text([]byte(text))
				}
			}
			k.node(value)
		}
	}
}

var separator = regexp.MustCompile(`(?m)^---(\s.*)?$`)

// documents are those of a YAML file.
func documents(text []byte) [][]byte {
	var all [][]byte
	for _, document := range separator.Split(string(text), -1) {
		all = append(all, []byte(document))
	}
	return all
}
