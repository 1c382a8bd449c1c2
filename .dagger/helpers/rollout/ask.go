package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/helpers/questions"
)

// smokePatience is for wrong answers, while the cluster spreads the news of new pods.
const smokePatience = 10 * time.Second

// ask puts the questions of smoke.yaml to the release through its Service, by
// way of the API server, and returns one line for each.
func (c *cluster) ask(ctx context.Context, r record) (string, error) {
	service, port := front(r)
	if service == nil {
		return fmt.Sprintf("no Service leads to port %d of the image's pods: nothing was asked\n\n", r.Port), nil
	}
	q, err := questions.Parse(r.Smoke)
	if err != nil {
		return "", err
	}
	prefix := fmt.Sprintf("/api/v1/namespaces/%s/services/%s:%s/proxy", c.namespace, service.name(), port)
	for start := time.Now(); ; {
		var text strings.Builder
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		wrong := q.Ask(table, asServed{c.proxy, prefix}, proxyURL+prefix)
		_ = table.Flush() // into memory
		if len(wrong) == 0 {
			say("%s answers %d of %d questions as it should", service, len(q.Requests), len(q.Requests))
			return text.String() + "\n", nil
		}
		if time.Since(start) > smokePatience {
			detail := strings.Split(strings.TrimSpace(text.String()), "\n")
			detail = append(detail, wrong[1:]...)
			return "", &verdict{
				cause:  fmt.Sprintf("%s is ready but answers wrongly: %s", service, wrong[0]),
				detail: detail,
				advice: "see smoke.yaml for what is asked; the same questions are put here by: dagger call smoke",
			}
		}
		if !pause(ctx, 500*time.Millisecond) {
			return "", context.Cause(ctx)
		}
	}
}

// asServed undoes what the API server does to an answer on the way: it adds a
// Cache-Control before the service's, and has links lead through itself.
type asServed struct {
	http.RoundTripper
	prefix string // of the path that leads to the service
}

func (t asServed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	h := resp.Header
	if values := h["Cache-Control"]; len(values) > 0 && values[0] == "no-cache, private" {
		h["Cache-Control"] = values[1:]
	}
	if location := h.Get("Location"); location != "" {
		h.Set("Location", strings.TrimPrefix(location, t.prefix))
	}
	unavailable := resp.StatusCode == http.StatusServiceUnavailable
	if r.Method == http.MethodHead || !unavailable && !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	var own statusError
	if unavailable && json.Unmarshal(body, &own) == nil && strings.HasPrefix(own.Message, "error trying to reach service") {
		return nil, fmt.Errorf("the API server cannot reach the pods: %s", own.Message)
	}
	page := strings.ReplaceAll(string(body), t.prefix, "")
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(page)), int64(len(page))
	h.Set("Content-Length", strconv.Itoa(len(page)))
	return resp, nil
}

// front is the Service that leads to the port on which the release's image
// listens, and the name or number of the Service's port; nil if there is none.
func front(r record) (object, string) {
	for _, s := range r.Objects {
		selector, _ := s.at("spec", "selector").(map[string]any)
		if s.kind() != "Service" || len(selector) == 0 {
			continue
		}
		for _, w := range selected(r.Objects, selector) {
			if !runs(w, r.Image) {
				continue
			}
			ports, _ := s.at("spec", "ports").([]any)
			for _, p := range ports {
				p, _ := p.(map[string]any)
				if containerPort(w, targetPort(p)) == r.Port {
					return s, fmt.Sprint(p["port"])
				}
			}
		}
	}
	return nil, ""
}

// runs says whether a workload's pods run the image.
func runs(w object, image string) bool {
	return slices.ContainsFunc(containersOf(podSpec(w))["containers"], func(ctr object) bool {
		return ctr.text("image") == image
	})
}

func contains(labels, selector map[string]any) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// containerPort resolves a Service's target port, a number or a name, in a
// workload's pod template.
func containerPort(w object, target any) int {
	if n, ok := target.(float64); ok {
		return int(n)
	}
	for _, ctr := range containersOf(podSpec(w))["containers"] {
		ports, _ := ctr["ports"].([]any)
		for _, p := range ports {
			p, _ := p.(map[string]any)
			if n, ok := p["containerPort"].(float64); ok && p["name"] == target {
				return int(n)
			}
		}
	}
	return 0
}
