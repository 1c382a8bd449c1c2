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
	"time"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

const (
	// renderLimit is how long kubectl may take: a kustomization that includes another one twice,
	// and so on, is a few lines that take years.
	renderLimit = 2 * time.Minute
	// maxMemory is the bytes that kubectl may take, and maxRendered what it may write.
	maxMemory   = 2 << 30
	maxRendered = 64 << 20
	maxSaid     = 1 << 20 // bytes of complaints that are kept
)

var errUnending = fmt.Errorf("they come to more than %s, %d MiB of text or %d MiB of memory: "+
	"a kustomization may include another one several times, and that again", renderLimit, maxRendered>>20, maxMemory>>20)

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
	limited, cancel := context.WithTimeout(ctx, renderLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, self, OfflineCommand, kubectl, "kustomize", filepath.Join(tree, dir))
	cmd.Env = []string{"PATH=", "HOME=/nonexistent"}
	cmd.Dir = tree
	cmd.SysProcAttr = nobody()
	out, said := bounded{limit: maxRendered}, bounded{limit: maxSaid}
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if limited.Err() != nil && ctx.Err() == nil || out.full || err != nil && strings.Contains(said.kept.String(), "out of memory") {
		return nil, "", errUnending
	}
	warnings = strings.TrimSpace(said.kept.String())
	var ended *exec.ExitError
	if errors.As(err, &ended) && warnings != "" {
		return nil, "", errors.New(strings.NewReplacer(tree+"/"+copied+"/", "", tree+"/"+fetched+"/", "").Replace(warnings))
	}
	return out.kept.Bytes(), warnings, err
}

// bounded keeps the beginning of what is written.
type bounded struct {
	kept  bytes.Buffer // not embedded: it would read past the limit by itself
	limit int
	full  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := b.limit - b.kept.Len()
	b.full = b.full || len(p) > room
	_, err := b.kept.Write(p[:min(len(p), room)])
	return len(p), err
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
