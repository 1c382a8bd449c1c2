package release

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

// records are numbered from 1; each text is a status, with "of N" for a rollback to N.
func records(texts ...string) []Record {
	var all []Record
	for i, text := range texts {
		r := Record{Number: i + 1}
		status, of, _ := strings.Cut(text, " of ")
		r.Status = status
		r.Of, _ = strconv.Atoi(of)
		if status == Unreadable {
			r.Damage = errors.New("damaged")
		}
		all = append(all, r)
	}
	return all
}

func TestTarget(t *testing.T) {
	never := func(a, b Record) bool { return false }
	sameAs := func(numbers ...int) func(a, b Record) bool {
		return func(a, b Record) bool { return slices.Contains(numbers, a.Number) }
	}
	for name, test := range map[string]struct {
		records []Record
		to      int
		same    func(a, b Record) bool
		want    int
		err     string
	}{
		"the one before":     {records("superseded", "superseded", "deployed"), 0, never, 2, ""},
		"past failures":      {records("superseded", "failed", "unreadable", "pending", "deployed"), 0, never, 1, ""},
		"the same once more": {records("superseded", "superseded", "deployed"), 0, sameAs(2), 1, ""},
		"second rollback":    {records("superseded", "superseded", "superseded", "deployed of 2"), 0, never, 1, ""},
		"third rollback": {records("superseded", "superseded", "superseded", "superseded of 2", "deployed of 1"), 0, never, 0,
			"no earlier release"},
		"rollback after a deploy": {records("superseded", "superseded", "superseded of 1", "deployed"), 0, never, 3, ""},
		"first release":           {records("deployed"), 0, never, 0, "no earlier release"},
		"nothing":                 {nil, 0, never, 0, "no earlier release"},
		"none serves":             {records("superseded", "failed"), 0, never, 1, ""},
		"none ever served":        {records("failed", "failed"), 0, never, 0, "no earlier release"},
		"after an interruption":   {records("superseded", "deployed", "pending"), 0, never, 2, ""},
		"interrupted before":      {records("superseded", "pending", "deployed"), 0, never, 1, ""},
		"interrupted, to":         {records("superseded", "deployed", "pending"), 1, never, 1, ""},
		"to":                      {records("superseded", "superseded", "deployed"), 1, never, 1, ""},
		"to the present one":      {records("superseded", "deployed"), 2, never, 2, ""},
		"to a same one":           {records("superseded", "deployed"), 1, sameAs(1), 1, ""},
		"to one that failed":      {records("superseded", "failed", "deployed"), 2, never, 0, "release 2 never served: choose another with --to"},
		"to a pending one":        {records("superseded", "pending"), 2, never, 0, "release 2 never served"},
		"to an unreadable one": {records("unreadable", "deployed"), 1, never, 0,
			"the record of release 1 cannot be read (damaged): choose another"},
		"to an unknown one": {records("superseded", "deployed"), 7, never, 0, "release 7 is not in the history"},
	} {
		got, err := Target(test.records, test.to, test.same)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) || got != nil {
				t.Errorf("%s: error is %v, want one with %q", name, err, test.err)
			}
		case err != nil || got.Number != test.want:
			t.Errorf("%s: %+v, %v, want release %d", name, got, err, test.want)
		}
	}
}

func TestExpired(t *testing.T) {
	many := func(status string, n int) []string { return slices.Repeat([]string{status}, n) }
	for name, test := range map[string]struct {
		statuses []string
		want     []int
	}{
		"few":                      {many(Superseded, 10), nil},
		"eleven":                   {many(Superseded, 11), []int{1}},
		"ten failures":             {slices.Concat(many(Superseded, 7), []string{Deployed}, many(Failed, 10)), []int{1, 2, 3}},
		"more failures":            {slices.Concat([]string{Deployed}, many(Failed, 12)), []int{2, 3}},
		"failures between":         {slices.Concat([]string{Superseded, Failed, Superseded, Failed, Deployed}, many(Failed, 10)), []int{2, 4}},
		"unreadable is no success": {slices.Concat(many(Unreadable, 2), []string{Deployed}, many(Failed, 10)), []int{1, 2}},
		"unreadable counts not":    {slices.Concat(many(Superseded, 9), []string{Deployed}, many(Unreadable, 30)), nil},
		"unreadable, and eleven":   {slices.Concat(many(Superseded, 10), many(Unreadable, 30), []string{Deployed}), []int{1}},
		"none":                     {nil, nil},
	} {
		var got []int
		for _, r := range Expired(records(test.statuses...)) {
			got = append(got, r.Number)
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestHistory(t *testing.T) {
	all := records("pending", "deployed", "pending", "failed", "pending", "unreadable")
	if n := Next(all); n != 7 {
		t.Errorf("next is %d", n)
	}
	if n := Next(nil); n != 1 {
		t.Errorf("the first is %d", n)
	}
	if n := Next([]Record{{Number: 1}, {Number: 2, Status: Unreadable}, {Number: 9, Status: Unreadable}}); n != 3 {
		t.Errorf("the next beside one that cannot be read is %d", n)
	}
	if n := Next([]Record{{Number: 9}, {Number: 4}}); n != 10 {
		t.Errorf("the next after a gap is %d", n)
	}
	if open := Interrupted(all); len(open) != 2 || open[0].Number != 3 || open[1].Number != 5 {
		t.Errorf("interrupted: %+v", open)
	}
	if len(all) != 6 || all[0].Number != 1 {
		t.Error("the history itself has changed")
	}
	if now := Serving(all); now == nil || now.Number != 2 {
		t.Errorf("serving: %+v", now)
	}
	if open := Interrupted(records("pending", "failed", "pending")); len(open) != 2 {
		t.Errorf("interrupted where none serves: %+v", open)
	}
	// Two are deployed when the end of the older one could not be noted.
	if now := Serving(records("deployed", "deployed", "failed")); now == nil || now.Number != 2 {
		t.Errorf("serving: %+v", now)
	}
	if Serving(records("superseded", "failed")) != nil || Serving(nil) != nil {
		t.Error("something serves")
	}
	for status, want := range map[string]bool{Pending: false, Deployed: true, Superseded: true, Failed: false, Unreadable: false} {
		if got := (Record{Status: status}).HasServed(); got != want {
			t.Errorf("%s has served: %v", status, got)
		}
	}
	if (Record{Number: 5, Of: 2}).Origin() != 2 || (Record{Number: 5}).Origin() != 5 {
		t.Error("Origin")
	}
}

func TestComplete(t *testing.T) {
	for name, test := range map[string]struct {
		records []Record
		want    bool
	}{
		"one serves":                  {records("superseded", "failed", "deployed"), true},
		"none served":                 {records("failed", "pending"), true},
		"one is unreadable":           {records("unreadable", "deployed"), false},
		"the one that serves is lost": {records("superseded", "failed"), false},
		"nothing":                     {nil, false},
	} {
		if got := Complete(test.records); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The record of an interrupted release of an earlier version does not say what was there
// before it; the one that served does.
func TestDeriveBefore(t *testing.T) {
	old, web, config := thing("v1", "Secret", "old"), thing("apps/v1", "Deployment", "web"), thing("v1", "ConfigMap", "new")
	earlier := []Record{
		{Number: 1, Status: Superseded, Objects: []object.Object{old}},
		{Number: 2, Status: Deployed, Objects: []object.Object{web}},
		{Number: 3, Status: Failed, Objects: []object.Object{config}},
	}
	r := Record{Number: 4, Status: Pending, Objects: []object.Object{web, config, old}, early: true}
	for name, test := range map[string]struct {
		change          func(*Record)
		before, created int
	}{
		"derived":          {func(*Record) {}, 1, 1}, // web was there, config is new, old was once
		"it failed":        {func(r *Record) { r.Status = Failed }, 0, 0},
		"it says so":       {func(r *Record) { r.early = false }, 0, 0},
		"it took over web": {func(r *Record) { r.Before = []object.Object{web} }, 1, 1},
	} {
		got := r
		test.change(&got)
		got.deriveBefore(earlier)
		if len(got.Before) != test.before || len(got.Created) != test.created || test.created > 0 && got.Created[0] != config.ID() {
			t.Errorf("%s: before %v, created %v", name, got.Before, got.Created)
		}
	}
	first := Record{Number: 1, Status: Pending, Objects: []object.Object{web}, early: true}
	first.deriveBefore(nil)
	if len(first.Created) != 1 || first.Before != nil {
		t.Errorf("the first release: %+v", first)
	}
}

func TestInventory(t *testing.T) {
	was, is := thing("autoscaling/v2beta2", "HorizontalPodAutoscaler", "web"), thing("autoscaling/v2", "HorizontalPodAutoscaler", "web")
	gone, failed := thing("v1", "ConfigMap", "old"), thing("v1", "ConfigMap", "tried")
	got := Inventory([]Record{
		{Number: 1, Objects: []object.Object{was, gone}},
		{Number: 2, Objects: []object.Object{is}},
		{Number: 3, Status: Failed, Objects: []object.Object{failed}},
		{Number: 4, Status: Unreadable},
	})
	if !reflect.DeepEqual(got, []object.Object{failed, is, gone}) {
		t.Errorf("%v", got)
	}
}
