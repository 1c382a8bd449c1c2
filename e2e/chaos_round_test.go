package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// round has the engine do something, disturbs it, and compares what it said with what the
// cluster has. After a fault an undisturbed deploy makes the next round meaningful.
func (c *chaos) round(name string, a chaosAction, d disturbance) {
	c.t.Helper()
	before, deployed := c.state(), c.deployed()
	r := c.run(a, name, d)
	o, said, err := r.outcome()
	c.row(name, a.name, d.describe(r), fmt.Sprintf("%.1f", r.took.Seconds()), said)
	if err == nil {
		err = r.expected(o, said, a, d)
	}
	c.lost = c.lost || c.dirty && d.loses
	// What a destroy has begun to delete may still be there.
	destroys := a.command == "destroy" && (o != untouched || c.state() != before)
	switch {
	case destroys:
		err = errors.Join(err, c.afterDestroy(name, o, r.stdout.String()))
	case err != nil:
	case o == serving:
		err = c.afterServing(name, a, r, said)
	case o == restored:
		err = c.afterRestored(before)
	case o == unfinished:
		c.afterUnfinished(deployed, d)
	default:
		err = c.afterUntouched(before)
	}
	if err = errors.Join(err, c.claimed()); err != nil {
		c.t.Errorf("round %s, %s, %s: %v\n%s%s", name, a.name, d.describe(r), err, r.stderr.String(), r.stdout.String())
	}
	if err != nil || destroys {
		c.mustServe(name + "-again")
	}
	if destroys {
		c.awaitLoad()
	} else if err := c.lostRequests(); err != nil {
		c.t.Errorf("round %s, %s, %s: %v", name, a.name, d.describe(r), err)
	}
}

// describe is what was done to a run, and when.
func (d disturbance) describe(r *chaosRun) string {
	if d.begin == nil {
		return d.name
	}
	when := fmt.Sprintf("after %.1f s", d.after.Seconds())
	if d.at.says != "" {
		when = fmt.Sprintf("%.1f s after %q", d.after.Seconds(), d.at.says)
	}
	if d.length > 0 && d.length < chaosOutage {
		when += fmt.Sprintf(" for %.1f s", d.length.Seconds())
	}
	if !r.disturbed {
		return "none (" + d.name + " " + when + " came too late)"
	}
	return d.name + " " + when
}

// expected says whether a run may end so. What the API's short absence or nothing at all
// disturbed must come to its end, and no release serves that cannot.
func (r *chaosRun) expected(o outcome, said string, a chaosAction, d disturbance) error {
	want := serving
	switch {
	case a.command == "destroy":
		want = destroyed
	case a.fails:
		want = restored
	}
	switch {
	case o == want:
		return nil
	case o == serving || o == destroyed:
		return errors.New("it says that it did what it cannot or was not asked for")
	case r.disturbed && !d.bearable:
		return nil
	case o == untouched && a.command == "rollback" && strings.Contains(said, "there is no"):
		return nil
	case o == untouched && r.disturbed && d.refusable && strings.Contains(said, "API server"):
		return nil
	}
	return errors.New("it did not come to the end that it must")
}

// afterServing compares the cluster with the release that is said to serve.
func (c *chaos) afterServing(name string, a chaosAction, r *chaosRun, said string) error {
	var number, target int
	if _, err := fmt.Sscanf(said, "release %d of s serves", &number); err != nil {
		return err
	}
	want := name
	if a.command == "rollback" {
		want = ""
		if _, after, found := strings.Cut(r.stderr.String(), "rolling back to release "); found {
			if _, err := fmt.Sscanf(after, "%d", &target); err != nil {
				return err
			}
			want = c.notes[fmt.Sprint(target)]
		}
	}
	state := c.state()
	if note := noteOf(state); want != "" && note != want {
		return fmt.Errorf("the Deployment is that of round %q, not %q", note, want)
	}
	if has, must := strings.Contains(state, `"ConfigMap"`), slices.Contains(a.dirs, "extra"); a.command == "" && has != must {
		return fmt.Errorf("that it has ConfigMap extra is %t", has)
	}
	c.noteServing(fmt.Sprint(number))
	return errors.Join(c.serves(), c.idle())
}

// noteServing takes what the cluster has as the release that serves.
func (c *chaos) noteServing(number string) {
	c.served, c.dirty, c.lost = c.state(), false, false
	c.notes[number] = noteOf(c.served)
}

// afterRestored compares the cluster with the release that served before. Where it had
// been left unfinished and its records are lost, nobody knows that one.
func (c *chaos) afterRestored(before string) error {
	state := c.state()
	if state != c.served && (!c.lost || state != before) {
		return fmt.Errorf("what is there is not what served before:\n%s", stateDiff(c.served, state))
	}
	c.served, c.dirty, c.lost = state, false, false
	return errors.Join(c.serves(), c.idle())
}

// afterUntouched compares the cluster with what it was.
func (c *chaos) afterUntouched(before string) error {
	if state := c.state(); state != before {
		return fmt.Errorf("something was touched:\n%s", stateDiff(before, state))
	}
	if c.dirty {
		return nil
	}
	return errors.Join(c.serves(), c.idle())
}

// afterUnfinished has the next round go on from what is there. A release may have been
// noted as serving before the end; deployed were noted so before this round.
func (c *chaos) afterUnfinished(deployed []string, d disturbance) {
	now := c.deployed()
	if len(now) > 0 && !slices.Equal(now, deployed) && !d.loses {
		c.noteServing(now[len(now)-1])
		return
	}
	c.dirty, c.lost = true, c.lost || d.loses
}

// afterDestroy ends a destroy that did not end itself, and compares the cluster with what
// must be left.
func (c *chaos) afterDestroy(name string, o outcome, said string) error {
	c.served, c.dirty, c.lost, c.notes = "", false, false, map[string]string{}
	if o != destroyed {
		return c.destroyAgain(name, true)
	}
	return c.nothingLeft(said)
}

// destroyAgain destroys undisturbed. Where a destroy was begun, nothing may be left to do.
func (c *chaos) destroyAgain(name string, begun bool) error {
	r := c.run(chaosAction{command: "destroy"}, name, disturbance{})
	o, said, err := r.outcome()
	c.row(name, "destroy", "none", fmt.Sprintf("%.1f", r.took.Seconds()), said)
	if err == nil && o != destroyed && !(begun && strings.Contains(said, "there is no release")) {
		err = errors.New("it is not destroyed")
	}
	if err == nil {
		err = c.nothingLeft(r.stdout.String())
	}
	if err != nil {
		err = fmt.Errorf("an undisturbed destroy: %w\n%s%s", err, r.stderr.String(), r.stdout.String())
	}
	return err
}

// mustServe deploys undisturbed.
func (c *chaos) mustServe(name string) {
	c.t.Helper()
	r := c.run(chaosActions[0], name, disturbance{})
	o, said, err := r.outcome()
	c.row(name, chaosActions[0].name, "none", fmt.Sprintf("%.1f", r.took.Seconds()), said)
	if err == nil && o != serving {
		err = errors.New("it does not serve")
	}
	if err == nil {
		err = c.afterServing(name, chaosActions[0], r, said)
	}
	if err != nil {
		c.t.Fatalf("an undisturbed deploy, %s: %v\n%s%s", name, err, r.stderr.String(), r.stdout.String())
	}
}

// finish deploys and destroys undisturbed, and says what it comes to.
func (c *chaos) finish() {
	c.t.Helper()
	c.mustServe("end")
	if err := errors.Join(c.lostRequests(), c.claimed()); err != nil {
		c.t.Errorf("at the end: %v", err)
	}
	counts, err := c.load()
	c.must(err)
	if err := errors.Join(c.destroyAgain("end", false), c.claimed()); err != nil {
		c.t.Errorf("the last destroy: %v", err)
	}
	c.t.Logf("%d requests, %d repeated; %d failed, all before a deploy or after a destroy unless said otherwise",
		counts.Requests, counts.Repeated, counts.Failures)
	if counts.Requests < 1000 {
		c.t.Error("there was no load")
	}
}
