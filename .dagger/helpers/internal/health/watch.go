package health

import "time"

// Watch remembers since when each fault has been there. The zero value is ready to use.
type Watch struct {
	seen map[string]span // by subject
	look time.Time       // the last one
}

// span is when a fault was seen first and last.
type span struct{ first, last time.Time }

// Expired is the first of the faults there are now that has lasted longer than it may.
// One that has been away for longer than its lull starts again. What a fault's age is
// counted for is its subject, not its rule: an image that is "not found" stays the same
// fault while Kubernetes backs off and gives no reason.
func (w *Watch) Expired(now time.Time, faults []Fault) (Fault, bool) {
	if w.seen == nil {
		w.seen = map[string]span{}
	}
	for _, f := range faults {
		s, known := w.seen[f.Subject]
		if !known || s.last.Before(w.look) && now.Sub(s.last) > f.Lull {
			s.first = now
		}
		w.seen[f.Subject] = span{s.first, now}
	}
	w.look = now
	for _, f := range faults {
		if !f.Open && now.Sub(w.seen[f.Subject].first) >= f.Grace {
			return f, true
		}
	}
	return Fault{}, false
}

// Reset forgets since when a subject's fault has been there.
func (w *Watch) Reset(subject string) { delete(w.seen, subject) }
