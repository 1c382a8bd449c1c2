package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// contentSecurityPolicy lets the page load its own files and ask its own server;
// nothing inline runs, so markup that slips in can do nothing.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page
var pageFiles embed.FS

// asset is a file that the page loads.
type asset struct {
	contentType string
	etag        string
	content     []byte
}

// loadPage returns the page, with what does not change while the process runs
// filled in, and the files that it loads by name.
func loadPage(id identity) (page []byte, assets map[string]asset) {
	types := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
	}
	read := func(name string) []byte {
		content, err := fs.ReadFile(pageFiles, "page/"+name)
		if err != nil {
			panic(err) // The file was there when the program was built.
		}
		return content
	}
	assets = make(map[string]asset)
	for _, name := range []string{"page.css", "page.js", "icon.svg"} {
		content := read(name)
		sum := sha256.Sum256(content)
		assets[name] = asset{types[path.Ext(name)], `"` + hex.EncodeToString(sum[:8]) + `"`, content}
	}
	fill := strings.NewReplacer("{{version}}", html.EscapeString(version), "{{pod}}", html.EscapeString(id.Pod))
	return []byte(fill.Replace(string(read("index.html")))), assets
}

// showPage answers browsers, which ask for HTML first; everybody else gets what
// the next handler says.
func (s *server) showPage(c *gin.Context) {
	h := c.Writer.Header()
	h["Vary"] = s.shared.vary
	// The first test is cheap, and most clients are not browsers.
	if !strings.Contains(c.GetHeader("Accept"), gin.MIMEHTML) ||
		c.NegotiateFormat(gin.MIMEPlain, gin.MIMEHTML) != gin.MIMEHTML {
		return
	}
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store") // It names the pod that answered.
	c.Data(http.StatusOK, "text/html; charset=utf-8", s.page)
	c.Abort()
}

// showAsset answers with a file of the page. Its address stays the same from one
// version to the next: during a rollout the page may come from an old pod and its
// files from a new one. Browsers therefore ask each time, and mostly get 304.
func (s *server) showAsset(c *gin.Context) {
	a, ok := s.assets[c.Param("file")]
	if !ok {
		abort(c, http.StatusNotFound)
		return
	}
	c.Header("Content-Type", a.contentType)
	c.Header("Cache-Control", "no-cache")
	c.Header("ETag", a.etag)
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader(a.content))
}
