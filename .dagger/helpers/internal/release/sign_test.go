package release

import (
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

const someKey = "0123456789abcdef"

// Of a record that somebody changed, or wrote, nothing is believed where a key is given.
func TestSignature(t *testing.T) {
	client, server := connect(t)
	store := Store{Client: client, Name: "web", Key: someKey}
	save := func(s Store, r Record) object.Object {
		t.Helper()
		if err := s.Save(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
		return server.live(t, client, s.secret(r.Number, 0))
	}
	// What another key or none has written, and what was changed, is not believed.
	const unsigned, wrong = "it is not signed", "it is not signed with the key"
	for name, test := range map[string]struct {
		by     Store
		change func(head object.Object)
		want   string
	}{
		"signed":      {store, nil, ""},
		"not signed":  {Store{Client: client, Name: "web"}, nil, unsigned},
		"another key": {Store{Client: client, Name: "web", Key: someKey + "x"}, nil, wrong},
		"status":      {store, func(o object.Object) { o.Set(Deployed, "metadata", "labels", statusKey) }, wrong},
		"note":        {store, func(o object.Object) { o.Set("all is well", "metadata", "annotations", noteKey) }, wrong},
		"content": {store, func(o object.Object) {
			other := stored(t, "web", record(3, Failed))[0]
			o["data"] = other["data"]
			o.Set(other.Annotation(sumKey), "metadata", "annotations", sumKey)
		}, wrong},
		"no checksum": {store, func(o object.Object) { o.Delete("metadata", "annotations", sumKey) }, wrong},
		"another's": {Store{Client: client, Name: "other", Key: someKey}, func(o object.Object) {
			o.Set("web", "metadata", "labels", Key)
			o.Set("slipway.web.v3", "metadata", "name")
		}, wrong},
	} {
		t.Run(name, func(t *testing.T) {
			clear(server.objects)
			head := save(test.by, record(3, Pending))
			if test.change != nil {
				test.change(head)
			}
			if test.by.Name == "web" && test.change == nil {
				got, err := store.List(t.Context())
				check(t, got, err, test.want)
				return
			}
			check(t, assemble("web", []object.Object{head}, store.verify), nil, test.want)
		})
	}

	// What became of a release is signed too, with and without a note, and by what was read.
	clear(server.objects)
	r := record(3, Pending)
	if err := store.Save(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	for i, note := range []string{"it\nbroke", "", "again"} {
		if err := store.Mark(t.Context(), r, Failed, note); err != nil {
			t.Fatal(err)
		}
		got, err := store.List(t.Context())
		check(t, got, err, "")
		if r = got[0]; r.Status != Failed || r.Note != []string{"it broke", "it broke", "again"}[i] {
			t.Errorf("%s: %s", r.Status, r.Note)
		}
	}
	// Numbers of records that are not believed are left out, but use none up.
	forged := Record{Number: numberLimit, Status: Unreadable}
	if got := Next([]Record{r, {Number: 4, Status: Unreadable}, forged}); got != 5 {
		t.Errorf("next is %d", got)
	}
	forged.Number = numberLimit + 1
	if err := store.Save(t.Context(), &forged); err == nil || !strings.Contains(err.Error(), "delete secret slipway.web.v1073741824") {
		t.Errorf("%v", err)
	}
}

func check(t *testing.T, got []Record, err error, want string) {
	t.Helper()
	switch {
	case err != nil || len(got) != 1:
		t.Errorf("%d records, %v", len(got), err)
	case want == "" && got[0].Damage != nil, want != "" && (got[0].Damage == nil || !strings.HasPrefix(got[0].Damage.Error(), want)):
		t.Errorf("%v, want %q", got[0].Damage, want)
	case want != "" && got[0].Objects != nil:
		t.Error("what is not believed is returned")
	}
}

// Records and leases of releases of one name in several namespaces are apart, beside those
// of the namespace that they are in.
func TestRecordsApart(t *testing.T) {
	client, server := connect(t)
	here, apart := Store{Client: client, Name: "web"}, Store{Client: client, Name: "web", Namespace: "records"}
	r := large(7, 2*partLimit)
	for _, s := range []Store{here, apart} {
		if err := s.Save(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
		if got, err := s.List(t.Context()); len(got) != 1 || err != nil || got[0].Damage != nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	head := server.live(t, client, apart.secret(7, 0))
	if head.Name() != "slipway.shop.web.v7" || head.Namespace() != "records" || ReleaseNamespace(head) != "shop" ||
		!apart.Holds(head) || here.Holds(head) {
		t.Errorf("%v", head["metadata"])
	}
	if lease := apart.lease(); lease.Name() != "slipway.shop.web" || lease.Namespace() != "records" || !apart.Holds(lease) {
		t.Errorf("%v", lease)
	}
	// The same namespace is none of its own, and a release there leaves the others' alone.
	if s := (Store{Client: client, Name: "web", Namespace: "shop"}); s.secret(7, 0).Name() != "slipway.web.v7" {
		t.Error(s.secret(7, 0))
	}
	if err := here.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := apart.List(t.Context()); len(got) != 1 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
