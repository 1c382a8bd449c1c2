package main

import (
	"encoding/json"
	"os"
	"testing"
)

func TestWhoami(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		id, want identity
	}{
		{"in a cluster", identity{"hello-1", "node-a", "default"}, identity{"hello-1", "node-a", "default"}},
		{"elsewhere", identity{}, identity{Pod: host}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newTestServer(t, config{identity: tt.id})
			ts := listen(t, s)
			resp, err := ts.Client().Get(ts.URL + "/api/whoami")
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				identity
				Version       string
				UptimeSeconds float64 `json:"uptime_seconds"`
				RequestID     string  `json:"request_id"`
			}
			if err := json.Unmarshal([]byte(readBody(t, resp)), &got); err != nil {
				t.Fatal(err)
			}
			if got.identity != tt.want || got.Version != "dev" || got.UptimeSeconds <= 0 ||
				got.RequestID != resp.Header.Get("X-Request-Id") {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !resp.Close {
				t.Error("the connection stays open")
			}
		})
	}
}
