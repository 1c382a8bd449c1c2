package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSurvey(t *testing.T) {
	asked := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		switch r.URL.Path {
		case "/":
			fmt.Fprint(w, "Hello")
		case "/changes":
			asked++
			fmt.Fprint(w, asked)
		case "/host":
			fmt.Fprint(w, "I am pod-7")
		case "/long":
			fmt.Fprint(w, strings.Repeat("x", bodyShown+1))
		case "/binary":
			fmt.Fprint(w, "\x1b[2J")
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/cut":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer service.Close()
	stopped := false
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := state{Host: "pod-7"}
		if stopped = stopped || r.Method == http.MethodPost; stopped {
			s.Exit = "exit status 0"
		}
		_ = json.NewEncoder(w).Encode(s)
	}))
	defer control.Close()

	var out bytes.Buffer
	if err := survey(&out, subject{service.URL, control.URL, time.Minute, io.Discard}, []string{"/", "/changes", "/host", "/long", "/binary", "/moved", "/cut", "/none"}); err != nil {
		t.Fatal(err)
	}
	var got surveyed
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := surveyed{Drains: true, Answers: []answered{
		{"/", 200, "text/plain", "Hello"}, {"/changes", 200, "text/plain", ""}, {"/host", 200, "text/plain", ""}, {"/long", 200, "text/plain", ""},
		{"/binary", 200, "text/plain", ""}, {"/moved", 302, "text/plain", ""}, {"/none", 404, "text/plain", ""},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
