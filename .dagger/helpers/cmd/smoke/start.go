package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// silence is how long a service may listen nowhere before that is told: it may be slow, or
// wait for something that does not come.
const silence = 5 * time.Second

// subject is the service that is asked.
type subject struct {
	service, control string        // URLs
	limit            time.Duration // for it to accept its first connection
	progress         io.Writer
}

// newSubject is the one that the arguments SERVICE CONTROL LIMIT name.
func newSubject(args []string, progress io.Writer) (subject, error) {
	limit, err := time.ParseDuration(args[2])
	return subject{args[0], args[1], limit, progress}, err
}

// started waits until the service accepts a connection.
func (s subject) started() error {
	u, err := url.Parse(s.service)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return err
	}
	begin := time.Now()
	var since time.Time // it is wrong in this way
	var last misplaced
	told := false
	for ; ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err == nil {
			return conn.Close()
		}
		now, err := look(http.MethodGet, s.control)
		if err == nil && now.Exit != "" {
			return fmt.Errorf("the service ended before it listened on port %d: %s; %s", port, now.Exit, hint(now.Log))
		}
		now.Listens = now.others(s.control)
		wrong := now.elsewhere(uint16(port))
		if wrong != last {
			last, since = wrong, time.Now()
		}
		if wrong.text == "" && !told && time.Since(begin) > min(silence, s.limit/2) {
			told = true
			s.tell(now, port)
		}
		late := time.Since(begin) > s.limit
		switch {
		case wrong.text != "" && (late || time.Since(since) > max(wrong.limit, s.limit/6)): // A slow one opens its ports slowly.
			return errors.New(wrong.text)
		case late:
			return fmt.Errorf("the service still runs, but did not listen on port %d within %s, nor on any other: its log may say what it "+
				"waits for; if it only takes long, say how long in smoke.yaml beside its main package, as needs: {start: 3m}", port, s.limit)
		}
	}
}

// tell tells that the service listens nowhere yet.
func (s subject) tell(now state, port uint64) {
	says := "; it has written nothing"
	if len(now.Log) > 0 {
		says = "; its last log lines:\n  | " + strings.Join(now.Log[max(0, len(now.Log)-5):], "\n  | ")
	}
	_, _ = fmt.Fprintf(s.progress, "the service listens nowhere yet, and has until %s after its start to listen on port %d%s\n",
		s.limit, port, says)
}
