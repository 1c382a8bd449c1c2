package release

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

func TestStore(t *testing.T) {
	client, server := connect(t)
	store := Store{Client: client, Name: "web"}
	if got, err := store.List(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	first, second := record(1, Pending), large(2, 2*partLimit)
	tenth := record(10, Pending)
	for _, r := range []*Record{&first, &second, &tenth} {
		if err := store.Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	// What can be seen is complete: the first part is written last.
	if want := "PATCH /api/v1/namespaces/shop/secrets/slipway.web.v2"; server.writes[1] != want+".2" || server.writes[3] != want {
		t.Errorf("%q", server.writes)
	}
	if err := (Store{Client: client, Name: "other"}).Save(t.Context(), new(record(3, Deployed))); err != nil {
		t.Fatal(err)
	}
	for n := 11; n < 20; n++ { // more than one page
		if err := store.Save(t.Context(), new(record(n, Failed))); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Mark(t.Context(), first, Failed, " it\nbroke "); err != nil {
		t.Fatal(err)
	}
	if err := store.Mark(t.Context(), tenth, Deployed, ""); err != nil {
		t.Fatal(err)
	}
	got, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, r := range got {
		numbers = append(numbers, r.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}) {
		t.Fatalf("%v", numbers)
	}
	first.Status, first.Note = Failed, "it broke"
	if !reflect.DeepEqual(got[0], first) || !reflect.DeepEqual(got[1], second) || got[2].Status != Deployed || got[2].Note != "why" {
		t.Errorf("%+v\n%s %+v", got[0], got[1].Status, got[2])
	}

	server.writes = nil
	if err := store.Forget(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if len(server.writes) != 3 || !strings.HasSuffix(server.writes[0], "slipway.web.v2") {
		t.Errorf("the first part is not the first to go: %q", server.writes)
	}
	if err := store.Forget(t.Context(), second); err != nil {
		t.Errorf("a record that is gone: %v", err)
	}
	if got, err = store.List(t.Context()); len(got) != 11 || err != nil {
		t.Errorf("%d records, %v", len(got), err)
	}

	head := server.live(t, client, store.secret(1, 0))
	for name, test := range map[string]struct {
		store Store
		live  object.Object
		want  bool
	}{
		"a record":         {store, head, true},
		"another's record": {Store{Client: client, Name: "other"}, head, false},
		"the lease":        {store, store.lease(), true},
		"another Secret":   {store, thing("v1", "Secret", "slipway.web.v1"), false},
		"another ConfigMap": {store, func() object.Object {
			o := thing("v1", "ConfigMap", "slipway.web")
			o.Set("web", "metadata", "labels", Key)
			return o
		}(), false},
	} {
		if got := test.store.Holds(test.live); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}

	// What somebody else labelled as a record stays.
	strange := thing("v1", "Secret", "strange")
	strange.Set("web", "metadata", "labels", Key)
	if _, err := client.Create(t.Context(), strange); err != nil {
		t.Fatal(err)
	}
	if err := store.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := store.List(t.Context()); len(got) != 0 || err != nil || server.live(t, client, strange) == nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := (Store{Client: client, Name: "other"}).List(t.Context()); len(got) != 1 || err != nil {
		t.Errorf("records of another release: %+v, %v", got, err)
	}

	server.refuse = func(*http.Request) (int, string) { return http.StatusForbidden, "Forbidden" }
	_, listErr := store.List(t.Context())
	for err, want := range map[error]string{
		listErr:                         "list the records of release web: Forbidden",
		store.Save(t.Context(), &first): "write the record of release 1, Secret slipway.web.v1 in namespace shop: Forbidden",
		store.Mark(t.Context(), first, Failed, "x"): "note that release 1 is failed: Forbidden",
		store.Forget(t.Context(), first):            "delete the record of release 1: Forbidden",
		store.Clear(t.Context()):                    "delete the records of release web: Forbidden",
	} {
		if fmt.Sprint(err) != want {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}
