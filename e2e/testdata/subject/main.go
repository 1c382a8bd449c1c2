// Subject is the service that the rollout scripts deploy. Environment variables say how
// it behaves:
//
//	VERSION      what GET /version says; the image sets it
//	PORT         port to listen on, 8080 if not set
//	TLS          anything: HTTPS with a certificate of its own making
//	START_DELAY  time before it listens, such as 8s
//	READY_AFTER  time from then on for which GET /healthz answers 503
//	STOP_DELAY   time between SIGTERM and the end
//	PRINT        text for standard output, before anything else
//	CRASH_FILE   file that is read once at the start: "bad" in it ends with status 2
//	SLEEP        ends with status 0 after this time, without listening
//	MODE         crash: ends with status 2 at once; once: with 0; fail: with 1;
//	             flap: serves for three seconds and ends with 1
//
// GET /count is the number of POST requests that came to /.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const flapAfter = 3 * time.Second

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-stop
		time.Sleep(duration("STOP_DELAY"))
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		os.Exit(0)
	}()

	if text := os.Getenv("PRINT"); text != "" {
		fmt.Println(text)
	}
	if file := os.Getenv("CRASH_FILE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(text)) == "bad" {
			fmt.Printf("%s says %q (%v)\n", file, text, err)
			os.Exit(2)
		}
	}
	switch os.Getenv("MODE") {
	case "crash":
		fmt.Println("the subject crashes as it was told to")
		os.Exit(2)
	case "fail":
		fmt.Println("the subject fails as it was told to")
		os.Exit(1)
	case "once":
		fmt.Println("the subject is done")
		os.Exit(0)
	case "flap":
		time.AfterFunc(flapAfter, func() {
			fmt.Println("the subject served and ends")
			os.Exit(1)
		})
	}
	if os.Getenv("SLEEP") != "" {
		time.Sleep(duration("SLEEP"))
		return
	}
	time.Sleep(duration("START_DELAY"))
	fmt.Println(serve(server))
	os.Exit(1)
}

// duration is an environment variable's, 0 if it is not set.
func duration(name string) time.Duration {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		fmt.Printf("%s: %v\n", name, err)
		os.Exit(1)
	}
	return d
}

// serve listens until the server is shut down; then it waits for the end of the program.
func serve(server *http.Server) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server.Addr = ":" + port
	server.Handler = routes(time.Now().Add(duration("READY_AFTER")))
	var err error
	if os.Getenv("TLS") == "" {
		err = server.ListenAndServe()
	} else {
		var certificate tls.Certificate
		if certificate, err = selfSigned(); err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		err = server.ListenAndServeTLS("", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		select {}
	}
	return err
}

func routes(ready time.Time) http.Handler {
	var posts atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "subject") })
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, posts.Add(1)) })
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, posts.Load()) })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"version":%q}`, os.Getenv("VERSION"))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(ready) {
			http.Error(w, "not ready yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"subject"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
