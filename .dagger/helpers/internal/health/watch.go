package health

import "time"

// Watch remembers since when each fault has been there. The zero value is ready to use.
type Watch struct{ since map[string]time.Time }

// Expired is the first of the faults there are now that has lasted longer than it may.
// One that has disappeared in between starts again. What a fault's age is counted for is
// its subject, not its rule: an image that is "not found" stays the same fault while
// Kubernetes backs off and gives no reason.
func (w *Watch) Expired(now time.Time, faults []Fault) (Fault, bool) {
	since := make(map[string]time.Time, len(faults))
	for _, f := range faults {
		first, known := w.since[f.Subject]
		if !known {
			first = now
		}
		since[f.Subject] = first
	}
	w.since = since
	for _, f := range faults {
		if now.Sub(since[f.Subject]) >= f.Grace {
			return f, true
		}
	}
	return Fault{}, false
}

// Reset forgets since when a subject's fault has been there.
func (w *Watch) Reset(subject string) { delete(w.since, subject) }
