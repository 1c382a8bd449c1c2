package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	chaosRounds  = 10
	chaosLimit   = 5 * time.Minute  // for one run of the engine
	chaosTimeout = 60               // seconds, of a deploy that is to succeed
	chaosNever   = 15               // seconds, of one that never gets ready
	chaosOutage  = 50 * time.Second // longer than the engine's patience
	chaosSaid    = 110              // characters of a line of the table
)

// TestChaos deploys, rolls back and destroys one release at random, under load, and kills
// the engine, cuts its way to the API server or deletes its records at random moments.
// After each round what the engine said last must be what the cluster has; no request may
// be lost except between a destroy and the next deploy, and no claim ever.
//
//	CHAOS_ROUNDS=100 go test -C e2e -run Chaos -v -timeout 60m .
//
// The seed is printed first; with it as $CHAOS_SEED the same rounds are drawn again, up to
// what the clock has to do with it. $SLIPWAY_ROLLOUT may name another engine.
func TestChaos(t *testing.T) {
	if !usesLab() {
		t.Skip("needs the lab's cluster")
	}
	seed := chaosNumber(t, "CHAOS_SEED", rand.Uint64N(1_000_000))
	rounds := chaosNumber(t, "CHAOS_ROUNDS", chaosRounds)
	t.Logf("%d rounds of seed %d: CHAOS_SEED=%[2]d repeats them", rounds, seed)

	c := startChaos(t)
	random := rand.New(rand.NewPCG(seed, 0))
	c.mustServe("start")
	c.awaitLoad()
	c.row("round", "action", "disturbance", "seconds", "what it said")
	for round := range int(rounds) {
		action := pick(random, chaosActions)
		d := pick(random, disturbances)
		d.at = action.moments[random.IntN(len(action.moments))]
		d.after = time.Duration(random.Int64N(int64(d.at.within)))
		d.length += time.Duration(random.Int64N(int64(d.spread) + 1))
		d.choice = random.IntN(1000)
		action.second = random.IntN(2) == 1
		c.round(strconv.Itoa(round+1), action, d)
	}
	c.finish()
}

// chaosNumber is an environment variable's.
func chaosNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// chaosAction is what a round does.
type chaosAction struct {
	name    string
	weight  int
	command string   // of the engine, deploy if ""
	dirs    []string // beside base
	env     map[string]string
	missing bool // its image is none
	fails   bool
	timeout int // seconds, chaosTimeout if 0
	moments []moment
	second  bool // it is of version 2.0.0; drawn for each round
}

// moment is one in a run: some time, drawn below within, after the engine has said what
// matches.
type moment struct {
	says   string
	within time.Duration
}

var (
	atRollout = []moment{{"", 8 * time.Second}, {"checked", time.Second}, {"applied", 3 * time.Second}, {"applied", 6 * time.Second}}
	atFailure = []moment{
		{"", 15 * time.Second}, {"checked", time.Second}, {"applied", 10 * time.Second}, {"rolling back|putting back", 500 * time.Millisecond},
		{"rolling back|putting back", 4 * time.Second},
	}
	chaosActions = []chaosAction{
		{name: "deploy", weight: 4, moments: atRollout},
		{name: "deploy with Job", weight: 2, dirs: []string{"job"}, env: map[string]string{"JOB_MODE": "once"}, moments: atRollout},
		{name: "deploy with claim", weight: 2, dirs: []string{"claim"}, moments: atRollout},
		{name: "deploy with ConfigMap", weight: 2, dirs: []string{"extra"}, moments: atRollout},
		{name: "crashing", weight: 1, dirs: []string{"extra"}, env: map[string]string{"MODE": "crash"}, fails: true, moments: atFailure},
		{name: "never ready, with long Job", weight: 1, dirs: []string{"job"}, env: map[string]string{"READY_AFTER": "1h", "JOB_SLEEP": "180s"},
			timeout: chaosNever, fails: true, moments: atFailure},
		{name: "missing image, with long Job", weight: 1, dirs: []string{"extra", "job", "claim"}, env: map[string]string{"JOB_SLEEP": "180s"},
			missing: true, fails: true, moments: atFailure},
		{name: "failing Job", weight: 1, dirs: []string{"job"}, env: map[string]string{"JOB_MODE": "fail"}, fails: true, moments: atFailure},
		{name: "rollback", weight: 2, command: "rollback", moments: atRollout},
		{name: "destroy, then deploy", weight: 1, command: "destroy",
			moments: []moment{{"", 2 * time.Second}, {"removed", 3 * time.Second}, {"removed Service", 6 * time.Second}}},
	}
)

// disturbance is what gets in the way of a round.
type disturbance struct {
	name   string
	weight int
	// begin disturbs a run once its moment has come; what it returns, if not nil, ends
	// that after length, or with the run.
	begin          func(c *chaos, r *chaosRun, choice int) (end func())
	length, spread time.Duration // at least and at most beyond that
	bearable       bool          // what can succeed must succeed all the same
	refusable      bool          // or be refused before anything was touched
	loses          bool          // it deletes records

	at     moment
	after  time.Duration
	choice int
}

var disturbances = []disturbance{
	{name: "none", weight: 3, bearable: true},
	{name: "slow API", weight: 1, bearable: true, length: chaosLimit, begin: func(c *chaos, _ *chaosRun, _ int) func() {
		c.faults.setLatency(200 * time.Millisecond)
		return func() { c.faults.setLatency(0) }
	}},
	{name: "killed", weight: 3, begin: func(_ *chaos, r *chaosRun, _ int) func() { r.signal(syscall.SIGKILL); return nil }},
	{name: "interrupted", weight: 2, begin: func(_ *chaos, r *chaosRun, _ int) func() { r.signal(syscall.SIGTERM); return nil }},
	{name: "API cut", weight: 2, bearable: true, refusable: true, length: 3 * time.Second, spread: 12 * time.Second, begin: cutAPI},
	{name: "API restarts", weight: 2, bearable: true, refusable: true, length: 2 * time.Second, spread: 4 * time.Second, begin: restartAPI},
	{name: "API gone", weight: 1, length: chaosOutage, begin: cutAPI},
	{name: "a record deleted", weight: 1, loses: true, begin: func(c *chaos, _ *chaosRun, choice int) func() {
		if records := c.records(); len(records) > 0 {
			c.kubectl("", "delete", "secret", records[choice%len(records)].Metadata.Name, "--namespace="+c.ns, "--ignore-not-found")
		}
		return nil
	}},
	{name: "all records deleted", weight: 2, loses: true, begin: func(c *chaos, _ *chaosRun, _ int) func() {
		c.kubectl("", "delete", "secrets", "--selector=slipway/release=s", "--namespace="+c.ns)
		return nil
	}},
}

func cutAPI(c *chaos, _ *chaosRun, _ int) func() {
	c.faults.cut()
	return func() { c.must(c.faults.heal()) }
}

// restartAPI is how a restart of the API server looks from outside: connections end, none
// is taken, and at first it is not ready. The lab's own cannot be restarted, as its node
// ends with it.
func restartAPI(c *chaos, _ *chaosRun, choice int) func() {
	c.faults.cut()
	return func() {
		c.faults.add(&faultRule{method: "ANY", path: regexp.MustCompile("."), status: 503, times: choice % 20, message: "apiserver not ready"})
		c.must(c.faults.heal())
	}
}

// pick draws one of the choices, each as often as it weighs.
func pick[T interface{ weigh() int }](random *rand.Rand, choices []T) T {
	var all []T
	for _, choice := range choices {
		for range choice.weigh() {
			all = append(all, choice)
		}
	}
	return all[random.IntN(len(all))]
}

func (a chaosAction) weigh() int { return a.weight }
func (d disturbance) weigh() int { return d.weight }

// write writes what the engine is asked to do; note marks the pods of this run.
func (c *chaos) write(file string, a chaosAction, note string) {
	c.t.Helper()
	ask := call{request: request{
		Release: "s", Namespace: c.ns, APIServer: c.faults.address, Image: c.images.one, Version: "1.0.0",
		Port: 8080, Smoke: defaultSmoke, Timeout: chaosTimeout, Tail: 20,
	}}
	if a.second {
		ask.Image, ask.Version = c.images.two, "2.0.0"
	}
	if a.missing {
		ask.Image = c.images.missing
	}
	if a.timeout > 0 {
		ask.Timeout = a.timeout
	}
	switch a.command {
	case "":
		ask.dirs = append([]string{"base"}, a.dirs...)
	case "destroy":
		ask.Confirm = ask.Release
	}
	c.must(ask.write(file, filepath.Join("testdata", "chaos"), func(name string) string {
		switch name {
		case "JOB_IMAGE":
			return c.images.one
		case "NS":
			return c.ns
		case "NOTE":
			return note
		}
		return a.env[name]
	}))
}

// chaosRun is one run of the engine.
type chaosRun struct {
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
	ended          chan struct{}
	took           time.Duration
	disturbed      bool
	killed         bool
}

// run has the engine do what it is asked, and disturbs it.
func (c *chaos) run(a chaosAction, note string, d disturbance) *chaosRun {
	c.t.Helper()
	file := filepath.Join(c.dir, "request.json")
	c.write(file, a, note)
	command := cmp.Or(a.command, "deploy")
	ctx, cancel := context.WithTimeout(c.t.Context(), chaosLimit)
	defer cancel()
	r := &chaosRun{cmd: exec.CommandContext(ctx, c.engine, command, file), ended: make(chan struct{})}
	path := filepath.Dir(c.lab.kubectl) + string(os.PathListSeparator) + os.Getenv("PATH")
	r.cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "PATH="+path)
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.WaitDelay = &r.stdout, &r.stderr, 10*time.Second
	start := time.Now()
	c.must(r.cmd.Start())
	go func() {
		_ = r.cmd.Wait()
		r.took = time.Since(start)
		close(r.ended)
	}()
	if d.begin != nil && r.reaches(d.at, d.after) {
		r.disturbed = true
		if end := d.begin(c, r, d.choice); end != nil {
			select {
			case <-r.ended:
			case <-time.After(d.length):
			}
			end()
		}
	}
	<-r.ended
	c.faults.clear()
	c.must(c.faults.heal())
	if ctx.Err() != nil {
		c.t.Fatalf("rollout %s did not end within %s:\n%s%s", command, chaosLimit, r.stderr.String(), r.stdout.String())
	}
	return r
}

// reaches waits for a moment, and is false if the run ends before it.
func (r *chaosRun) reaches(at moment, after time.Duration) bool {
	pattern := regexp.MustCompile(at.says)
	for !pattern.MatchString(r.stderr.String()) {
		select {
		case <-r.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	select {
	case <-r.ended:
		return false
	case <-time.After(after):
		return true
	}
}

// signal goes to the engine itself, the only child of what was started; before there is
// one, to that.
func (r *chaosRun) signal(s syscall.Signal) {
	pid := r.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if child, notOne := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && notOne == nil {
		pid = child
	}
	r.killed = s == syscall.SIGKILL
	_ = syscall.Kill(pid, s)
}

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// outcome is what a run says of the cluster.
type outcome int

const (
	untouched  outcome = iota // nothing was touched
	serving                   // the new release serves
	restored                  // what was there before is there again
	destroyed                 // nothing is there
	unfinished                // nobody can tell, but the next deploy goes on from there
)

// outcomes are in the order in which they are looked for: a text may have several.
var outcomes = []struct {
	pattern *regexp.Regexp
	outcome outcome
}{
	{regexp.MustCompile(`(?m)^release \d+ of s serves$`), serving},
	{regexp.MustCompile(`is gone from namespace`), destroyed},
	{regexp.MustCompile(`not finished|stopped answering|is not all gone|run destroy again|could not be noted|does not serve|` +
		`putting it back failed|could not be put back`), unfinished},
	{regexp.MustCompile(`(?m)^rolled back: `), restored},
	{regexp.MustCompile(``), untouched},
}

// outcome is what the run says at its end, and the line that says it.
func (r *chaosRun) outcome() (outcome, string, error) {
	text := strings.TrimSpace(r.stdout.String())
	if text == "" {
		if !r.killed {
			return unfinished, "", errors.New("it ended without a word")
		}
		return unfinished, "(killed)", nil
	}
	for _, o := range outcomes {
		if o.pattern.MatchString(text) {
			ok := r.cmd.ProcessState.ExitCode() == 0
			if good := o.outcome == serving || o.outcome == destroyed; good != ok && !r.killed {
				return o.outcome, "", fmt.Errorf("it ended with %s", r.cmd.ProcessState)
			}
			return o.outcome, lineWith(text, o.pattern), nil
		}
	}
	return untouched, "", nil
}

// lineWith is the line of a text where a pattern is found; of one that is found
// everywhere, the first.
func lineWith(text string, pattern *regexp.Regexp) string {
	at := pattern.FindStringIndex(text)
	begin := strings.LastIndex(text[:at[0]], "\n") + 1
	line, _, _ := strings.Cut(text[begin:], "\n")
	return line
}
