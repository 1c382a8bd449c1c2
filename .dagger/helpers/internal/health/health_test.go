package health

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

// TestJudge judges the states in testdata. A file has sections, each begun by a line
// "-- name --":
//
//	now     the object, then its pods, ReplicaSets and events, as YAML documents or a List
//	before  the same, as it was before the release; left out: nothing was there
//	wanted  the object as applied; left out: as it is now
//	flags   the other fields of the snapshot
//	want    the state
func TestJudge(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no states in testdata: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := sections(t, string(text))
			now := snapshot(t, part["now"])
			now.Wanted = now.Object.Bare()
			if wanted := documents(t, part["wanted"]); len(wanted) > 0 {
				now.Wanted = wanted[0]
			}
			if err := yaml.UnmarshalStrict([]byte(part["flags"]), &flags{&now}); err != nil {
				t.Fatal(err)
			}
			got := render(Judge(now, TakeBaseline(snapshot(t, part["before"]))))
			if want := strings.TrimSpace(part["want"]); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// flags are the fields of a snapshot that hold no objects.
type flags struct{ snapshot *Snapshot }

func (f *flags) UnmarshalJSON(text []byte) error {
	var fields struct {
		Gone, Leaving, Others, Mounted, Absent bool
		NodesDown                              []string
	}
	if err := object.Decode(text, &fields); err != nil {
		return err
	}
	s := f.snapshot
	s.Gone, s.Leaving, s.Others, s.Mounted = fields.Gone, fields.Leaving, fields.Others, fields.Mounted
	if fields.Absent {
		s.Object = nil
	}
	s.NodesDown = map[string]bool{}
	for _, node := range fields.NodesDown {
		s.NodesDown[node] = true
	}
	return nil
}

var header = regexp.MustCompile(`(?m)^-- (\w+) --\n`)

func sections(t *testing.T, text string) map[string]string {
	t.Helper()
	part := map[string]string{}
	marks := header.FindAllStringSubmatchIndex(text, -1)
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		part[text[m[2]:m[3]]] = text[m[1]:end]
	}
	for name := range part {
		switch name {
		case "now", "before", "wanted", "flags", "want":
		default:
			t.Fatalf("no such section: %s", name)
		}
	}
	return part
}

func documents(t *testing.T, text string) []object.Object {
	t.Helper()
	var all []object.Object
	for doc := range strings.SplitSeq(text, "\n---\n") {
		json, err := yaml.YAMLToJSONStrict([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var o object.Object
		if err := object.Decode(json, &o); err != nil {
			t.Fatal(err)
		}
		switch {
		case o.Kind() == "List":
			all = append(all, o.List("items")...)
		case o != nil:
			all = append(all, o)
		}
	}
	return all
}

func snapshot(t *testing.T, text string) Snapshot {
	t.Helper()
	var s Snapshot
	for _, o := range documents(t, text) {
		switch {
		case s.Object == nil:
			s.Object = o
		case o.Kind() == "Pod":
			s.Pods = append(s.Pods, o)
		case o.Kind() == "ReplicaSet":
			s.Sets = append(s.Sets, o)
		case o.Kind() == "Event":
			s.Events = append(s.Events, o)
		default:
			t.Fatalf("%s is no part of a snapshot", o)
		}
	}
	return s
}

// render writes a state as the files in testdata do.
func render(s State) string {
	var lines []string
	add := func(name, text string) { lines = append(lines, name+": "+text) }
	if s.Done {
		add("done", s.Text)
	} else {
		add("waiting", s.Text)
	}
	for _, w := range s.Worst {
		add("worst", w)
	}
	for _, f := range s.Faults {
		grace := cmp.Or(strings.TrimPrefix(f.Grace.String(), "0s"), "at once")
		if f.Open {
			grace = "open"
		}
		add("fault", fmt.Sprintf("%s, %s, %s", f.Rule, grace, f.Cause))
		if f.Missing != nil {
			add("missing", strings.TrimSpace(f.Missing.String()+" "+f.Key))
		}
	}
	for _, n := range s.Notes {
		add("note", n)
	}
	for _, list := range []struct {
		name string
		pods []object.Object
	}{{"current", s.Current}, {"unblock", s.Unblock}} {
		var names []string
		for _, p := range list.pods {
			names = append(names, p.Name())
		}
		if len(names) > 0 {
			add(list.name, strings.Join(names, " "))
		}
	}
	if s.Unasked {
		lines = append(lines, "unasked")
	}
	if s.Restarted > 0 {
		add("restarted", fmt.Sprint(s.Restarted))
	}
	return strings.Join(lines, "\n")
}

func TestForgive(t *testing.T) {
	text, err := os.ReadFile("testdata/crash-third-time.txt")
	if err != nil {
		t.Fatal(err)
	}
	now := snapshot(t, sections(t, string(text))["now"])
	if got := Judge(now, Baseline{}); len(got.Faults) != 1 {
		t.Fatalf("%v, want one fault", got.Faults)
	}
	if got := Judge(now, TakeBaseline(Snapshot{}).Forgive(now)); len(got.Faults) != 1 || !got.Faults[0].Open || got.Restarted != 0 {
		t.Errorf("%v, %d restarts, want an open fault and none", got.Faults, got.Restarted)
	}
}

func TestWatch(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	refused := imageRefused.fault("pod a: image", "not found")
	away := imageUnreachable.fault("pod a: image", "no answer")
	crash := crashing.fault("pod d: crash", "")
	crash.Lull = crashLull
	var w Watch
	for i, step := range []struct {
		after  int // seconds
		faults []Fault
		reset  string
		want   string // rule
	}{
		{0, []Fault{refused}, "", ""},
		{14, []Fault{refused}, "", ""},
		{19, []Fault{away}, "", ""}, // the same subject: its clock runs on
		{20, []Fault{away, refused}, "", "image refused"},
		{21, nil, "", ""}, // gone: it starts anew
		{22, []Fault{refused}, "", ""},
		{32, []Fault{refused}, "pod a: image", ""},
		{40, []Fault{refused}, "", ""},
		{59, []Fault{refused}, "", ""},
		{60, []Fault{refused}, "", "image refused"},
		{61, []Fault{refused, notCreated.fault("pod b", "")}, "", "image refused"},
		{62, []Fault{notCreated.fault("pod c", ""), jobFailed.fault("job b", "")}, "", "job failed"},
		{64, []Fault{crash}, "", ""},
		{66, nil, "", ""},
		{72, []Fault{crash}, "", ""}, // away for no longer than its lull: its clock runs on
		{94, []Fault{crash}, "", "crashing"},
		{95, nil, "", ""},
		{106, []Fault{crash}, "", ""}, // away for longer
	} {
		got, _ := w.Expired(start.Add(time.Duration(step.after)*time.Second), step.faults)
		if got.Rule != step.want {
			t.Errorf("step %d: %q, want %q", i, got.Rule, step.want)
		}
		if step.reset != "" {
			w.Reset(step.reset)
		}
	}
}

func TestEnded(t *testing.T) {
	for _, c := range []struct {
		reason string
		code   int
		want   string
	}{
		{"Error", 1, "exit status 1"},
		{"Completed", 0, "exit status 0"},
		{"Error", 143, "killed by signal 15"},
		{"OOMKilled", 137, "killed for using more memory than its limit"},
		{"StartError", 128, "could not be started"},
	} {
		if got := Ended(c.reason, c.code); got != c.want {
			t.Errorf("%s, %d: %s, want %s", c.reason, c.code, got, c.want)
		}
	}
}

func TestPlain(t *testing.T) {
	if got := plain("two\nlines\tand  spaces"); got != "two lines and spaces" {
		t.Error(got)
	}
	if exact := strings.Repeat("ä", messageStart+messageEnd+1); plain(exact) != exact {
		t.Error("what is short enough was cut")
	}
	got := plain("the start" + strings.Repeat("ä", 600) + "the cause")
	if len([]rune(got)) != messageStart+messageEnd+1 || !strings.HasPrefix(got, "the start") || !strings.HasSuffix(got, "the cause") {
		t.Errorf("%d characters: %s", len([]rune(got)), got)
	}
}

// TestDocs compares docs/deploy.md with the rules.
func TestDocs(t *testing.T) {
	const file = "../../../../docs/deploy.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skip(err) // where only the helpers are there
	}
	_, after, found := strings.Cut(string(text), "<!-- rules -->")
	table, _, ended := strings.Cut(after, "<!-- /rules -->")
	if !found || !ended {
		t.Skip(file + " has no table of rules")
	}
	rows := map[string]bool{}
	for line := range strings.Lines(table) {
		rows[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, r := range Rules() {
		row := fmt.Sprintf("| %s | %s |", r.Words, r.After())
		if !rows[row] {
			t.Errorf("%s lacks the row\n%s", file, row)
		}
		delete(rows, row)
	}
	for row := range rows {
		if strings.HasPrefix(row, "| ") && row != "| state | after |" {
			t.Errorf("%s has a row that is no rule's:\n%s", file, row)
		}
	}
}
