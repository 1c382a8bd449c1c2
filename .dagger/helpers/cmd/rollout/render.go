package main

import (
	"bytes"
	"os"

	"sigs.k8s.io/yaml"
)

// render writes the manifests to the file that is asked for, as YAML for kubectl apply.
func (s *session) render() error {
	documents := make([][]byte, len(s.Objects))
	for i, o := range s.Objects {
		var err error
		if documents[i], err = yaml.Marshal(o); err != nil {
			return err
		}
	}
	return os.WriteFile(s.Output, bytes.Join(documents, []byte("---\n")), 0o644)
}
