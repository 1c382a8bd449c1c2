package kube

import (
	"encoding/base64"
	"errors"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	adviseFile = "give --kubeconfig file:$HOME/.kube/config, or " + adviseView
	adviseRaw  = "the kubeconfig was printed without its secrets, as kubectl config view does: print it with --raw, or give " + adviseView
)

// mistaken says what a text is that was given in place of a kubeconfig, nil if it may be
// one. No error shows any of it: it may be a secret.
func mistaken(text []byte) error {
	plain := strings.TrimSpace(strings.TrimPrefix(string(text), "\ufeff"))
	var whole any
	if plain == "" {
		return errors.New("the kubeconfig is empty: " + adviseFile)
	}
	if yaml.Unmarshal(text, &whole) != nil {
		return nil // The one who reads it says where it is broken.
	}
	switch whole := whole.(type) {
	case map[string]any:
		if whole["kind"] == "ExecCredential" {
			return errors.New("the kubeconfig is what a credential plugin prints, which goes to --credential: " + adviseFile)
		}
		return nil
	case string:
		return mistakenWord(plain)
	}
	return errors.New("the kubeconfig is a list or a number: is it the right file?")
}

// mistakenWord is mistaken about a text that is no YAML of more than one value.
func mistakenWord(text string) error {
	if strings.HasPrefix(text, "-----BEGIN ") {
		return errors.New("the kubeconfig is a certificate or a key, which belong into one: " + adviseFile)
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err == nil && strings.Contains(string(decoded), "clusters") {
		return errors.New(`the kubeconfig is in base64: decode it, as --kubeconfig cmd:"printenv NAME | base64 -d" does`)
	}
	_, known := tokenEnd(text)
	switch {
	case known, strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2, // a service account's, which does not end
		strings.HasPrefix(text, "sha256~"), strings.HasPrefix(text, "k8s-aws-v1."), strings.HasPrefix(text, "ya29."):
		return errors.New("the kubeconfig is a token, which goes to --credential: " + adviseFile)
	case !strings.ContainsAny(text, " \n<") && strings.ContainsAny(text, `/\`):
		return errors.New("the kubeconfig is the path of a file, as the variable KUBECONFIG holds it: " +
			"give --kubeconfig file:$KUBECONFIG, or where it names several " + adviseView)
	}
	return errors.New("the kubeconfig is plain text, as an error or a page would be: is it the right file?")
}
