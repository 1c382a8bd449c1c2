// Package release keeps what Slipway knows of a release in the cluster: its records,
// the lease that lets one change happen at a time, and whose an object is.
package release

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"slipway/helpers/internal/object"
)

// Status of a record. A release is pending from before its first object is applied,
// so that no crash can leave an object which no record lists.
const (
	Pending    = "pending"
	Deployed   = "deployed"
	Superseded = "superseded"
	Failed     = "failed"
	Unreadable = "unreadable" // of a record that is damaged
)

// Labels and annotations.
const (
	Key       = "slipway/release" // label of records and the lease, annotation of what was applied
	numberKey = "slipway/number"
	statusKey = "slipway/status"
	partKey   = "slipway/part"
	noteKey   = "slipway/note"
	sumKey    = "slipway/sum"
	signKey   = "slipway/signature"
	placeKey  = "slipway/namespace" // label of records that are kept in another namespace: the release's

	// Manager is the field manager of all that is applied.
	Manager = "slipway"
)

const (
	secretType = "slipway/release"

	// partLimit is the bytes of a record in one Secret, of which Kubernetes allows 1 MiB
	// with everything in it.
	partLimit = 900 << 10
	// recordLimit is the bytes of a record, unpacked. A few KiB of gzip can be gigabytes.
	recordLimit = 64 << 20
	// nodesLimit is the number of lists and objects in a record: an empty one is two bytes
	// of JSON, and fifty of memory.
	nodesLimit = 2_000_000
	// partsLimit is more than the parts that a record of recordLimit can have.
	partsLimit = recordLimit/partLimit + 1
	noteLimit  = 500
	textLimit  = 1000 // bytes of an image's name, a revision or a version
	// numberLimit leaves room for the numbers of further releases.
	numberLimit = 1 << 30
)

// Record is one release: what was applied, and what was there before.
type Record struct {
	Number   int
	Of       int `json:",omitempty"` // the release that this one, a rollback, is a copy of
	Status   string
	Note     string // why it failed, or what it goes back to
	Image    string
	Revision string // commit of the source
	Version  string
	Started  time.Time
	Objects  []object.Object // as applied
	Before   []object.Object `json:",omitempty"` // what was there and was to be changed or removed, as it was
	Created  []object.ID     `json:",omitempty"` // what was not there before
	Smoke    string          // the questions that it must answer, as JSON
	Port     int             // that its image listens on
	Verified *Verified       `json:",omitempty"` // nil where no signature was asked for

	// Taken is Before in the records of earlier versions.
	Taken []object.Object `json:",omitempty"`

	Damage error     `json:"-"` // why the record cannot be read
	Made   time.Time `json:"-"` // when the API server stored it, to the second

	early bool // of a version that did not note Before and Created
	seal  seal
}

// Verified is what was verified of an image before the release touched the cluster. Versions
// that do not know of it pass over it.
type Verified struct {
	Key      string `json:"key"` // SHA-256 of the public key, in base64
	Source   string `json:"source,omitempty"`
	Revision string `json:"revision,omitempty"`
}

// HasServed says whether the release came to serve.
func (r Record) HasServed() bool { return r.Status == Superseded || r.Status == Deployed }

// Origin is the number of the release whose objects these are: its own, unless it is a
// rollback.
func (r Record) Origin() int { return cmp.Or(r.Of, r.Number) }

// Serving is the release that last served, nil when none did.
func Serving(records []Record) *Record {
	for _, r := range slices.Backward(records) {
		if r.Status == Deployed {
			return &r
		}
	}
	return nil
}

// Interrupted are the releases since the one that serves whose end nobody noted, oldest
// first.
func Interrupted(records []Record) []Record {
	from := 0
	if now := Serving(records); now != nil {
		from = now.Number
	}
	return slices.DeleteFunc(slices.Clone(records), func(r Record) bool { return r.Status != Pending || r.Number < from })
}

// Complete says whether the records list all that the release has in the cluster: none is
// unreadable, and that of the release which serves is not lost.
func Complete(records []Record) bool {
	served := slices.ContainsFunc(records, Record.HasServed)
	damaged := slices.ContainsFunc(records, func(r Record) bool { return r.Status == Unreadable })
	return len(records) > 0 && !damaged && (!served || Serving(records) != nil)
}

// Next is the number of the next release. Numbers of records that cannot be read are left
// out, but do not count: whoever wrote them might have used all up.
func Next(records []Record) int {
	next := 1
	taken := map[int]bool{}
	for _, r := range records {
		if taken[r.Number] = true; r.Status != Unreadable {
			next = max(next, r.Number+1)
		}
	}
	for taken[next] {
		next++
	}
	return next
}

// Inventory is everything that any of the releases applied, without duplicates, as
// the newest of them has it.
func Inventory(records []Record) []object.Object {
	var all []object.Object
	seen := map[object.ID]bool{}
	for _, r := range slices.Backward(records) {
		for _, o := range r.Objects {
			if !seen[o.ID()] {
				seen[o.ID()] = true
				all = append(all, o)
			}
		}
	}
	return all
}

// Target is the release that a rollback goes to: number to, or with 0 the newest that
// served before the present one and is not the same. A second rollback goes back
// further, and not to what the first one left. After a deploy that was interrupted, the
// release that served before it is meant.
func Target(records []Record, to int, same func(a, b Record) bool) (*Record, error) {
	now := Serving(records)
	if to == 0 && now != nil && len(Interrupted(records)) > 0 {
		return now, nil
	}
	for _, r := range slices.Backward(records) {
		switch {
		case to != 0 && r.Number != to:
		case to != 0 && r.Status == Unreadable:
			return nil, fmt.Errorf("the record of release %d cannot be read (%w): choose another with --to, see dagger call history", to, r.Damage)
		case to != 0 && !r.HasServed():
			return nil, fmt.Errorf("release %d never served: choose another with --to, see dagger call history", to)
		case to != 0:
			return &r, nil
		case r.HasServed() && (now == nil || r.Number < now.Origin() && !same(r, *now)):
			return &r, nil
		}
	}
	if to != 0 {
		return nil, fmt.Errorf("release %d is not in the history: see dagger call history", to)
	}
	return nil, errors.New("there is no earlier release to go back to that differs from the present one")
}

// historyLimit is the number of records kept; of releases that served, at least
// servedLimit are among them however many failed since.
const (
	historyLimit = 10
	servedLimit  = 5
)

// Expired are the records that history no longer keeps, given all of them, oldest
// first. Those that cannot be read push no other one out: anybody may have written them.
func Expired(records []Record) []Record {
	var expired []Record
	kept, served := 0, 0
	for _, r := range slices.Backward(records) {
		if kept < historyLimit || r.HasServed() && served < servedLimit {
			if r.Status != Unreadable {
				kept++
			}
			if r.HasServed() {
				served++
			}
			continue
		}
		expired = append(expired, r)
	}
	return expired
}

// encode packs a record into parts that each fit into a Secret, and returns the
// checksum of the whole.
func encode(r Record) (parts [][]byte, sum string, err error) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	whole := sha256.Sum256(buf.Bytes())
	return slices.Collect(slices.Chunk(buf.Bytes(), partLimit)), hex.EncodeToString(whole[:]), nil
}

// decode unpacks what encode packed. Records of earlier versions have no checksum.
func decode(packed []byte, sum string) (Record, error) {
	var r Record
	if whole := sha256.Sum256(packed); sum != "" && sum != hex.EncodeToString(whole[:]) {
		return r, errors.New("its checksum is wrong: a part is missing or was changed")
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return r, err
	}
	text, err := io.ReadAll(io.LimitReader(z, recordLimit+1))
	if err != nil {
		return r, err
	}
	if len(text) > recordLimit {
		return r, fmt.Errorf("it holds more than %d MiB", recordLimit>>20)
	}
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) > nodesLimit {
		return r, fmt.Errorf("it holds more than %d lists and objects", nodesLimit)
	}
	if err := object.Decode(text, &r); err != nil {
		return r, err
	}
	r.Before, r.Taken = append(r.Before, r.Taken...), nil
	return r, r.malformed()
}

// malformed says what in a record is not what Slipway writes: names that lead to other
// paths than theirs, and texts of more than a line.
func (r Record) malformed() error {
	lines := map[string]string{"image": r.Image, "revision": r.Revision, "version": r.Version}
	if v := r.Verified; v != nil {
		lines["verified key"], lines["verified source"], lines["verified revision"] = v.Key, v.Source, v.Revision
	}
	for field, text := range lines {
		if len(text) > textLimit || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			return fmt.Errorf("its %s is no line of text", field)
		}
	}
	for _, o := range append(slices.Clone(r.Objects), r.Before...) {
		if o.Kind() == "" || o.Version() == "" || o.Name() == "" {
			return errors.New("one of its objects has no kind, API version or name")
		}
		if wrong := o.Misnamed(); wrong != "" {
			return fmt.Errorf("of one of its objects, %s", wrong)
		}
	}
	for _, id := range r.Created {
		if wrong := id.Misnamed(); wrong != "" {
			return fmt.Errorf("of one of its objects, %s", wrong)
		}
	}
	return nil
}

// assemble makes records of the Secrets that hold them, oldest first. One that cannot
// be read, or that verify does not believe, blocks none of the others.
func assemble(name string, secrets []object.Object, verify func(r Record, head object.Object) error) []Record {
	parts := map[string]object.Object{}
	for _, s := range secrets {
		parts[s.Name()] = s
	}
	var records []Record
	for _, s := range secrets {
		if s.Text("type") != secretType || s.Label(partKey) != "" {
			continue
		}
		number, err := strconv.Atoi(s.Label(numberKey))
		if err != nil || number < 1 || number > numberLimit || s.Name() != secretName(name, number, 0) {
			continue // Not one that was written here: its name and number do not agree.
		}
		r, err := read(name, number, s, parts)
		if err == nil {
			err = verify(r, s)
		}
		if err != nil {
			r = Record{Status: Unreadable, Damage: err, Note: "the record cannot be read: " + err.Error()}
		}
		r.Number = number
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b Record) int { return a.Number - b.Number })
	for i := range records {
		records[i].deriveBefore(records[:i])
	}
	return records
}

// deriveBefore completes the record of an interrupted release of an earlier version, which
// does not say what was there before: what the release before it had applied.
func (r *Record) deriveBefore(earlier []Record) {
	if r.Status != Pending || !r.early {
		return
	}
	known := Inventory(slices.DeleteFunc(slices.Clone(earlier), func(e Record) bool { return !e.HasServed() }))
	if before := Serving(earlier); before != nil {
		r.Before = append(r.Before, object.Without(before.Objects, r.Before)...)
	}
	for _, o := range object.Without(object.Without(r.Objects, known), r.Before) {
		r.Created = append(r.Created, o.ID())
	}
}

func read(name string, number int, head object.Object, parts map[string]object.Object) (Record, error) {
	count := 1
	if text := head.Annotation(partKey); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > partsLimit {
			return Record{}, fmt.Errorf("its number of parts is %q", shorten(text))
		}
	}
	var packed []byte
	for i := range count {
		s, ok := parts[secretName(name, number, i)]
		if !ok {
			return Record{}, fmt.Errorf("part %d of %d is missing", i+1, count)
		}
		part, err := base64.StdEncoding.DecodeString(s.Text("data", "record"))
		if err != nil {
			return Record{}, err
		}
		packed = append(packed, part...)
	}
	r, err := decode(packed, head.Annotation(sumKey))
	if err != nil {
		return r, err
	}
	if r.Number != number {
		return r, fmt.Errorf("it says that it is release %d", r.Number)
	}
	if status := head.Label(statusKey); slices.Contains([]string{Pending, Deployed, Superseded, Failed}, status) {
		r.Status = status
	} else {
		return r, fmt.Errorf("its status is %q", shorten(status))
	}
	r.Note = cmp.Or(head.Annotation(noteKey), r.Note)
	r.early = head.Annotation(sumKey) == "" && r.Created == nil
	r.seal = seal{head.Annotation(sumKey), count}
	r.Made, _ = time.Parse(time.RFC3339, head.Text("metadata", "creationTimestamp"))
	return r, nil
}

// secretName is that of a part of a record; the first part has none. Where records of
// several namespaces are in one, release is with its namespace.
func secretName(release string, number, part int) string {
	name := fmt.Sprintf("slipway.%s.v%d", release, number)
	if part > 0 {
		name += "." + strconv.Itoa(part)
	}
	return name
}

// shorten keeps a note to a line of bounded length.
func shorten(note string) string {
	note = strings.Join(strings.Fields(note), " ")
	if runes := []rune(note); len(runes) > noteLimit {
		return string(runes[:noteLimit]) + "…"
	}
	return note
}
