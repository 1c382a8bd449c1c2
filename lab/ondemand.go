package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// demand stands before the registry and makes an image the first time somebody asks for its tag.
// Everybody who asks meanwhile waits for the same attempt; after a failed one the next request tries
// again.
type demand struct {
	next http.Handler

	mu      sync.Mutex
	make    map[string]func(context.Context) error // by path of the manifest
	running map[string]*attempt
}

type attempt struct {
	done chan struct{}
	err  error
}

func newDemand(next http.Handler) *demand {
	return &demand{next: next, make: map[string]func(context.Context) error{}, running: map[string]*attempt{}}
}

// add has the image repository:tag made on demand.
func (d *demand) add(target string, build func(context.Context) error) {
	repository, tag, _ := strings.Cut(target, ":")
	d.make["/v2/"+repository+"/manifests/"+tag] = build
}

func (d *demand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if err := d.await(r.Context(), r.URL.Path); err != nil {
			refuse(w, r.Method, err)
			return
		}
	}
	d.next.ServeHTTP(w, r)
}

func (d *demand) await(ctx context.Context, path string) error {
	d.mu.Lock()
	build := d.make[path]
	if build == nil {
		d.mu.Unlock()
		return nil
	}
	a := d.running[path]
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		d.running[path] = a
		// It goes on for the next request even if the one that caused it is given up.
		go func() {
			a.err = build(context.Background())
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.running, path)
			if a.err == nil {
				delete(d.make, path)
			}
			close(a.done)
		}()
	}
	d.mu.Unlock()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refuse reports why there is no image. The request is usually a HEAD, whose answer has no body, and
// of which clients show the status line; so the reason stands there too.
func refuse(w http.ResponseWriter, method string, err error) {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(err.Error(), "whole log: "); i >= 0 {
		reason += " (" + err.Error()[i:] + ")"
	}
	body := ""
	if method != http.MethodHead {
		body = fmt.Sprintf(`{"errors":[{"code":"UNAVAILABLE","message":%s}]}`, strconv.QuoteToASCII(err.Error()))
	}
	if hijacker, ok := w.(http.Hijacker); ok {
		if conn, buffer, err := hijacker.Hijack(); err == nil {
			defer conn.Close()
			// A client that is gone needs no answer.
			_, _ = fmt.Fprintf(buffer, "HTTP/1.1 500 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
				strings.ReplaceAll(reason, "\r", ""), len(body), body)
			_ = buffer.Flush()
			return
		}
	}
	http.Error(w, body, http.StatusInternalServerError)
}

// buildOnDemand builds an image's part inside the registry.
func buildOnDemand(ctx context.Context, spec registrySpec, image Image) error {
	steps := &Steps{Cache: spec.Cache, Source: spec.Source, Say: say}
	missing, err := steps.Missing(image.Step)
	if err != nil {
		return err
	}
	if steps.Part(image.Step) != spec.Images[image.target()] {
		return errors.New("the lab's source has changed since its registry started: lab/run up")
	}
	if len(missing) == 0 {
		return nil
	}
	say("%s: asked for, building%s", image.Step.About, howLong(missing))
	if err := preflight(ctx, spec.Cache, true); err != nil {
		return err
	}
	if err := steps.Ensure(ctx, missing...); err != nil {
		say("%v", err)
		return err
	}
	return nil
}
