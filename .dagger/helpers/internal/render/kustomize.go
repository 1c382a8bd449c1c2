package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

// OfflineCommand is the command of this program that runs another one by Offline.
const OfflineCommand = "offline"

// kustomize has kubectl render a directory of a tree, and returns what it wrote and what
// it warned of. It runs as nobody, who reads nothing but the tree, finds no other
// program, and can open no socket.
func kustomize(ctx context.Context, tree, dir string) (text []byte, warnings string, err error) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, "", errors.New("there is no kubectl: give --kubectl-image an image that has it")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	if err := os.Chmod(tree, 0o755); err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, self, OfflineCommand, kubectl, "kustomize", filepath.Join(tree, dir))
	cmd.Env = []string{"PATH=", "HOME=/nonexistent"}
	cmd.Dir = tree
	cmd.SysProcAttr = nobody()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	warnings = strings.TrimSpace(said.String())
	var ended *exec.ExitError
	if errors.As(err, &ended) && warnings != "" {
		return nil, "", errors.New(strings.NewReplacer(tree+"/"+copied+"/", "", tree+"/"+fetched+"/", "").Replace(warnings))
	}
	return out.Bytes(), warnings, err
}

// decode reads kustomize's output, of which each document is an object. Within one,
// kustomize indents every line of a text.
func decode(text []byte) ([]object.Object, error) {
	var objects []object.Object
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		data, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			return nil, fmt.Errorf("read what kustomize rendered: %w", err)
		}
		var o object.Object
		if err := object.Decode(data, &o); err != nil {
			return nil, fmt.Errorf("read what kustomize rendered: %w", err)
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}
