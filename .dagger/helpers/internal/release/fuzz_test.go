package release

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// Whatever stands in a Secret that says it is a record, reading it ends, and what is
// believed has names and lines as Slipway writes them.
func FuzzAssemble(f *testing.F) {
	for _, r := range []Record{record(3, Deployed), record(1, Pending), {Number: 1}} {
		parts, sum, err := encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("slipway.web.v3", "3", r.Status, "1", sum, "note", slices.Concat(parts...), false)
	}
	f.Add("slipway.web.v1", "1", Pending, "2", "", "", []byte(`{"Number":1,"Objects":[{"kind":"Pod"}],"Created":[{"Name":".."}]}`), true)
	f.Fuzz(func(t *testing.T, name, number, status, parts, sum, note string, content []byte, plain bool) {
		if plain {
			content = packed(string(content))
		}
		head := object.Object{"apiVersion": "v1", "kind": "Secret", "type": secretType}
		head.Set(name, "metadata", "name")
		head.Set(map[string]any{numberKey: number, statusKey: status, Key: "web"}, "metadata", "labels")
		head.Set(map[string]any{partKey: parts, sumKey: sum, noteKey: note}, "metadata", "annotations")
		head.Set(base64.StdEncoding.EncodeToString(content), "data", "record")
		for _, store := range []Store{{}, {Key: someKey, Client: &kube.Client{}}} {
			for _, r := range assemble("web", []object.Object{head}, store.verify) {
				if r.Number < 1 || r.Number > numberLimit {
					t.Errorf("number %d", r.Number)
				}
				if r.Status != Unreadable && store.Key != "" {
					t.Error("it is believed without a signature")
				}
				if r.Status == Unreadable {
					continue
				}
				for _, o := range append(r.Objects, r.Before...) {
					if o.Name() == "" || strings.ContainsAny(o.Name()+o.Namespace()+o.Kind()+o.Version(), "\n\x1b%") || strings.Contains(o.Name(), "/") {
						t.Errorf("object %q", o.ID())
					}
				}
				if strings.ContainsAny(r.Image+r.Version+r.Revision, "\n\r\x1b") {
					t.Errorf("%q", r.Image)
				}
			}
		}
	})
}
