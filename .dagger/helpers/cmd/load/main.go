// Load sends requests at a steady rate until it is asked how they went: GET on
// its own port 8080 ends the load and answers with the figures, as JSON.
//
//	load URL REQUESTS-PER-SECOND
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// inFlight is the most requests of a kind that wait for an answer: a rate kept
// up against a machine that stalls would become a flood, which a service refuses.
const inFlight = 100

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: load URL REQUESTS-PER-SECOND")
		os.Exit(2)
	}
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: os.Args[1]})

	// Half of the requests reuse connections, half come with a new one each: a
	// rollout can break either alone.
	attackers := make([]*vegeta.Attacker, 2)
	for i := range attackers {
		attackers[i] = vegeta.NewAttacker(vegeta.KeepAlive(i == 0), vegeta.Timeout(10*time.Second), vegeta.MaxWorkers(inFlight),
			// A Service keeps its address; the cluster's DNS is not what is measured.
			vegeta.DNSCaching(0))
	}
	metrics := make([]vegeta.Metrics, len(attackers))
	var done sync.WaitGroup
	reached := sync.OnceFunc(func() { reach(os.Args[1]) })
	for i, a := range attackers {
		done.Go(func() {
			reached()
			pace := vegeta.Rate{Freq: rate / len(attackers), Per: time.Second}
			for result := range a.Attack(target, pace, 0, "") {
				metrics[i].Add(result)
			}
		})
	}
	err = http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, a := range attackers {
			a.Stop()
		}
		done.Wait()
		type figures struct {
			Requests uint64
			Failed   uint64
			P99      string
			Errors   []string
		}
		var all []figures
		for _, m := range metrics {
			m.Close()
			all = append(all, figures{m.Requests, m.Requests - answered(m), m.Latencies.P99.String(), m.Errors})
		}
		_ = json.NewEncoder(w).Encode(all)
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// reach waits until a request is answered. A cluster that has just started may have no DNS server yet, for which
// the service is not to blame; what cannot be reached for longer is counted.
func reach(url string) {
	client := http.Client{Timeout: 2 * time.Second}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if answer, err := client.Get(url); err == nil {
			_ = answer.Body.Close()
			return
		}
	}
}

// answered are the requests that the service answered, with whatever its page has: only
// 500 and above, and no answer at all, are lost.
func answered(m vegeta.Metrics) uint64 {
	var n int
	for status, count := range m.StatusCodes {
		if len(status) == 3 && status >= "100" && status < "500" {
			n += count
		}
	}
	return uint64(n)
}
