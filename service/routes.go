package main

import (
	"net/http"
	"runtime"

	"github.com/gin-gonic/gin"
)

const (
	healthzPath = "/healthz"
	readyzPath  = "/readyz"
)

func (s *server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // In debug mode gin prints plain text among the JSON log lines.
	router := gin.New()
	router.HandleMethodNotAllowed = true
	router.RedirectTrailingSlash = false
	_ = router.SetTrustedProxies(s.cfg.trustedProxies) // Cannot fail: each was parsed already.

	router.Use(s.setHeaders, s.observe, s.trace, s.recoverPanic, s.handleErrors,
		limitHeaders, s.limitRequests, s.limitTime, limitBody)
	router.NoRoute(func(c *gin.Context) { abort(c, http.StatusNotFound) })
	router.NoMethod(func(c *gin.Context) { abort(c, http.StatusMethodNotAllowed) })

	get := func(path string, handlers ...gin.HandlerFunc) {
		router.Match([]string{http.MethodGet, http.MethodHead}, path, handlers...)
	}
	get("/", s.showPage, hello)
	get("/assets/:file", s.showAsset)
	get("/version", showVersion)
	get("/api/whoami", s.whoami)
	get("/openapi.json", showOpenAPI)
	get(healthzPath, healthz)
	get(readyzPath, s.readyz)
	return router
}

func hello(c *gin.Context) {
	c.String(http.StatusOK, "Hello World")
}

func showVersion(c *gin.Context) {
	c.JSON(http.StatusOK, struct {
		Version  string `json:"version"`
		Revision string `json:"revision"`
		Go       string `json:"go"`
	}{version, revision, runtime.Version()})
}

// healthz says that the process is alive, which is true also while it drains:
// restarting it then would cut off the requests that it is finishing.
func healthz(c *gin.Context) {
	c.String(http.StatusOK, "ok")
}

// readyz says whether the process should be sent new requests.
func (s *server) readyz(c *gin.Context) {
	if s.draining.Load() {
		c.String(http.StatusServiceUnavailable, "shutting down")
		return
	}
	c.String(http.StatusOK, "ok")
}

// abort ends a request with a status and its standard text, so that every error
// looks the same to the client.
func abort(c *gin.Context, status int) {
	c.Abort()
	// What the handler may have said of the answer that it meant to give.
	for _, name := range []string{"Cache-Control", "Content-Encoding", "Content-Length", "Content-Type", "Etag", "Last-Modified"} {
		c.Writer.Header().Del(name)
	}
	if status == http.StatusServiceUnavailable {
		c.Header("Retry-After", "1") // In seconds: what makes us refuse seldom lasts.
	}
	c.String(status, http.StatusText(status))
}
