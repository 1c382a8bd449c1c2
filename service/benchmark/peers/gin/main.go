// Command gin answers with the service's body as gin's documentation begins:
// with its logger and its recovery.
package main

import (
	"log"
	"net/http"
	"os"
	"runtime"

	"github.com/gin-gonic/gin"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	router := gin.Default()
	router.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "Hello World") })
	router.GET("/metrics", func(c *gin.Context) {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		c.String(http.StatusOK, "go_memstats_mallocs_total %d\n", stats.Mallocs)
	})
	log.Fatal(router.Run(os.Args[1]))
}
