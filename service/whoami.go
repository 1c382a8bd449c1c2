package main

import (
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
)

// identity is where the process runs; what is not known is "".
type identity struct {
	Pod       string `json:"pod"`
	Node      string `json:"node"`
	Namespace string `json:"namespace"`
}

// orHost fills in the host's name for the pod's, which is what it is in a pod too.
func (id identity) orHost() identity {
	if id.Pod == "" {
		id.Pod, _ = os.Hostname() // Without one the pod stays unknown.
	}
	return id
}

// whoami says which pod answers. It closes the connection, so that whoever asks
// again is sent to a pod chosen anew: Kubernetes balances connections, not requests.
func (s *server) whoami(c *gin.Context) {
	c.Header("Connection", "close")
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, struct {
		identity
		Version       string  `json:"version"`
		UptimeSeconds float64 `json:"uptime_seconds"`
		RequestID     string  `json:"request_id"`
	}{s.identity, version, time.Since(s.started).Seconds(), requestID(c)})
}
