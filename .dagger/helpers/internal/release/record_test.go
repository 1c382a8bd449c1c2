package release

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/helpers/internal/object"
)

func thing(version, kind, name string) object.Object {
	return object.Object{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop"}}
}

// record is one that has all fields.
func record(number int, status string) Record {
	web := thing("apps/v1", "Deployment", "web")
	web.Set(json.Number("9223372036854775807"), "spec", "big")
	return Record{
		Number: number, Of: 2, Status: status, Note: "why", Image: "r/web@sha256:1", Revision: "abc", Version: "v1",
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Objects: []object.Object{web},
		Before:  []object.Object{thing("v1", "Service", "web")},
		Created: []object.ID{{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}},
		Smoke:   `{"requests":[]}`, Port: 8080,
	}
}

// large is a record that needs several parts, since its content does not compress.
func large(number, size int) Record {
	text := make([]byte, size)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(text)
	r := record(number, Deployed)
	r.Objects[0].Set(base64.StdEncoding.EncodeToString(text), "data")
	return r
}

// stored are the Secrets of a record, as Save writes them.
func stored(t *testing.T, release string, r Record) []object.Object {
	t.Helper()
	parts, sum, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	var secrets []object.Object
	for i, part := range parts {
		s := thing("v1", "Secret", secretName(release, r.Number, i))
		s["type"] = secretType
		s.Set(base64.StdEncoding.EncodeToString(part), "data", "record")
		s.Set(strconv.Itoa(r.Number), "metadata", "labels", numberKey)
		if i > 0 {
			s.Set(strconv.Itoa(i), "metadata", "labels", partKey)
		} else {
			s.Set(r.Status, "metadata", "labels", statusKey)
			s.Set(strconv.Itoa(len(parts)), "metadata", "annotations", partKey)
			s.Set(sum, "metadata", "annotations", "slipway/sum")
		}
		secrets = append(secrets, s)
	}
	return secrets
}

func TestEncode(t *testing.T) {
	for _, r := range []Record{record(3, Failed), large(4, 2*partLimit), {}} {
		parts, sum, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if len(part) > partLimit {
				t.Errorf("a part has %d bytes", len(part))
			}
		}
		got, err := decode(slices.Concat(parts...), sum)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("release %d: %v, or it is not the same after decoding", r.Number, err)
		}
	}
	if parts, _, _ := encode(large(4, 2*partLimit)); len(parts) < 3 {
		t.Errorf("%d parts", len(parts))
	}
	if _, _, err := encode(Record{Objects: []object.Object{{"f": func() {}}}}); err == nil {
		t.Error("what is no JSON was encoded")
	}
}

func packed(text string) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return buf.Bytes()
}

func TestDecode(t *testing.T) {
	parts, sum, _ := encode(record(3, Failed))
	whole := slices.Concat(parts...)
	for name, test := range map[string]struct {
		packed    []byte
		sum, want string
	}{
		"wrong checksum":     {whole, strings.Repeat("0", 64), "its checksum is wrong"},
		"cut":                {whole[:len(whole)-9], "", "unexpected EOF"},
		"cut, with sum":      {whole[:len(whole)-9], sum, "its checksum is wrong"},
		"no gzip":            {[]byte("{}"), "", "EOF"},
		"no JSON":            {packed("{"), "", "unexpected EOF"},
		"two records":        {packed("{}{}"), "", "more than one JSON value"},
		"many nodes":         {packed(`{"Objects":[` + strings.Repeat("{},", nodesLimit) + "{}]}"), "", "more than 2000000 lists and objects"},
		"two lines":          {packed(`{"Image":"x\nrelease 9 of s serves"}`), "", "its image is no line of text"},
		"control":            {packed(`{"Version":"\u001b[2J"}`), "", "its version is no line of text"},
		"two lines verified": {packed(`{"Verified":{"source":"https://x\ny"}}`), "", "its verified source is no line of text"},
		"long":               {packed(`{"Revision":"` + strings.Repeat("a", 2000) + `"}`), "", "its revision is no line of text"},
		"other path": {packed(`{"Objects":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"..","namespace":"shop"}}]}`), "",
			`name ".." is none`},
		"other namespace": {packed(`{"Before":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"a/../b"}}]}`), "",
			`namespace "a/../b" is none`},
		"nameless": {packed(`{"Objects":[{"apiVersion":"v1","kind":"Secret"}]}`), "", "has no kind, API version or name"},
		"null":     {packed(`{"Objects":[null]}`), "", "has no kind, API version or name"},
		"created":  {packed(`{"Created":[{"Kind":"Pod\n"}]}`), "", `kind "Pod\n" is none`},
	} {
		if _, err := decode(test.packed, test.sum); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want one with %q", name, err, test.want)
		}
	}
	old, err := decode(packed(`{"Number":1,"Before":[{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}}],"Taken":[{"apiVersion":"v1","kind":"B","metadata":{"name":"b"}}]}`), "")
	if old.Verified != nil {
		t.Errorf("a record of an earlier version says that %+v was verified", old.Verified)
	}
	if err != nil || len(old.Before) != 2 || old.Before[1].Kind() != "B" || old.Taken != nil {
		t.Errorf("a record of an earlier version: %+v, %v", old, err)
	}
}

// A few KiB that unpack to more than a record may have are not unpacked whole.
func TestDecodeTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it unpacks 64 MiB")
	}
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	for range recordLimit>>20 + 1 {
		_, _ = w.Write(spaces)
	}
	_ = w.Close()
	if _, err := decode(buf.Bytes(), ""); err == nil || !strings.Contains(err.Error(), "it holds more than 64 MiB") {
		t.Errorf("%v", err)
	}
}

func TestAssemble(t *testing.T) {
	set := func(value any, path ...string) func([]object.Object) []object.Object {
		return func(s []object.Object) []object.Object { s[0].Set(value, path...); return s }
	}
	parts := large(3, 2*partLimit)
	inParts := stored(t, "web", parts) // once, because it takes a while
	for name, test := range map[string]struct {
		record Record
		change func([]object.Object) []object.Object
		want   string // the record's number and status, and why it cannot be read; "" for no record
	}{
		"whole":              {record(3, Deployed), nil, "3 deployed"},
		"parts":              {parts, nil, "3 deployed"},
		"parts, shuffled":    {parts, func(s []object.Object) []object.Object { slices.Reverse(s); return s }, "3 deployed"},
		"the label's status": {record(3, Pending), set(Superseded, "metadata", "labels", statusKey), "3 superseded"},
		"part missing": {parts, func(s []object.Object) []object.Object { return slices.Delete(s, 1, 2) },
			"3 unreadable: part 2 of 3 is missing"},
		"first part missing": {parts, func(s []object.Object) []object.Object { return s[1:] }, ""},
		"part changed": {parts, func(s []object.Object) []object.Object { s[1].Set("AAAA", "data", "record"); return s },
			"3 unreadable: its checksum is wrong"},
		"wrong checksum": {record(3, Deployed), set("0", "metadata", "annotations", "slipway/sum"), "3 unreadable: its checksum is wrong"},
		"no base64":      {record(3, Deployed), set("%", "data", "record"), "3 unreadable: illegal base64"},
		"no data":        {record(3, Deployed), set(nil, "data"), "3 unreadable: its checksum is wrong"},
		"number of parts": {record(3, Deployed), set("many", "metadata", "annotations", partKey),
			`3 unreadable: its number of parts is "many"`},
		"no parts":           {record(3, Deployed), set("0", "metadata", "annotations", partKey), `3 unreadable: its number of parts is "0"`},
		"unknown status":     {record(3, "fine"), nil, `3 unreadable: its status is "fine"`},
		"no status":          {record(3, Deployed), set("", "metadata", "labels", statusKey), `3 unreadable: its status is ""`},
		"too many parts":     {record(3, Deployed), set("100000000", "metadata", "annotations", partKey), "3 unreadable: its number of parts"},
		"calls itself so":    {record(3, Unreadable), nil, `3 unreadable: its status is "unreadable"`},
		"another's number":   {record(3, Deployed), renumbered(4), "4 unreadable: it says that it is release 3"},
		"name and number":    {record(3, Deployed), set("4", "metadata", "labels", numberKey), ""},
		"number 0":           {record(0, Deployed), nil, ""},
		"number too large":   {record(1<<31, Deployed), nil, ""},
		"number no number":   {record(3, Deployed), set("three", "metadata", "labels", numberKey), ""},
		"written with zeros": {record(3, Deployed), set("03", "metadata", "labels", numberKey), "3 deployed"},
		"another's name":     {record(3, Deployed), set("slipway.other.v3", "metadata", "name"), ""},
		"foreign type":       {record(3, Deployed), set("Opaque", "type"), ""},
		"old format": {record(3, Deployed), func(s []object.Object) []object.Object { s[0].Delete("metadata", "annotations"); return s },
			"3 deployed"},
		"old format, damaged": {record(3, Deployed), func(s []object.Object) []object.Object {
			s[0].Delete("metadata", "annotations")
			s[0].Set(base64.StdEncoding.EncodeToString([]byte("x")), "data", "record")
			return s
		}, "3 unreadable: "},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := cloned(inParts)
			if len(test.record.Objects[0].Text("data")) == 0 {
				secrets = stored(t, "web", test.record)
			}
			if test.change != nil {
				secrets = test.change(secrets)
			}
			got := assemble("web", secrets, Store{}.verify)
			if test.want == "" {
				if len(got) != 0 {
					t.Errorf("%+v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d records", len(got))
			}
			text := fmt.Sprintf("%d %s", got[0].Number, got[0].Status)
			if got[0].Damage != nil {
				text += ": " + got[0].Damage.Error()
				if got[0].Note != "the record cannot be read: "+got[0].Damage.Error() {
					t.Errorf("note %q", got[0].Note)
				}
			}
			if !strings.HasPrefix(text, test.want) {
				t.Errorf("%q, want %q", text, test.want)
			}
		})
	}
}

func cloned(objects []object.Object) []object.Object {
	var all []object.Object
	for _, o := range objects {
		all = append(all, o.Clone())
	}
	return all
}

func renumbered(to int) func([]object.Object) []object.Object {
	return func(s []object.Object) []object.Object {
		s[0].Set(strconv.Itoa(to), "metadata", "labels", numberKey)
		s[0].Set(secretName("web", to, 0), "metadata", "name")
		return s
	}
}

// One record that cannot be read blocks none of the others.
func TestAssembleMany(t *testing.T) {
	var secrets []object.Object
	for _, n := range []int{10, 2, 1} {
		secrets = append(secrets, stored(t, "web", record(n, Failed))...)
	}
	secrets[1].Set("%", "data", "record")
	secrets[0].Set("because", "metadata", "annotations", noteKey)
	var got []string
	for _, r := range assemble("web", secrets, Store{}.verify) {
		got = append(got, fmt.Sprintf("%d %s %s", r.Number, r.Status, r.Note))
	}
	want := []string{"1 failed why", "2 unreadable the record cannot be read: illegal base64 data at input byte 0", "10 failed because"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestShorten(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		" two\n lines\t ":          "two lines",
		strings.Repeat("é", 500):   strings.Repeat("é", 500),
		strings.Repeat("é", 501):   strings.Repeat("é", 500) + "…",
		strings.Repeat("a ", 1000): strings.Repeat("a ", 250) + "…",
	} {
		if got := shorten(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSecretName(t *testing.T) {
	if a, b := secretName("web", 12, 0), secretName("web", 12, 3); a != "slipway.web.v12" || b != "slipway.web.v12.3" {
		t.Error(a, b)
	}
	if got := ServingSelector("web"); got != "slipway/release=web,slipway/status=deployed" {
		t.Error(got)
	}
}
