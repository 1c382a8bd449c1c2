// Subject is the service that the rollout scripts deploy. Environment variables say how
// it behaves:
//
//	VERSION      what GET /version says; the image sets it
//	HOST         address to listen on, all if not set
//	PORT         port to listen on, 8080 if not set
//	TLS          anything: HTTPS with a certificate of its own making
//	GRPC         a number: gRPC alone, without TLS, whose health is that number: 1 is SERVING
//	START_DELAY  time before it listens, such as 8s
//	READY_AFTER  time from then on for which GET /healthz answers 503
//	STOP_DELAY   time between SIGTERM and the end
//	PRINT        text for standard output, before anything else
//	CRASH_FILE   file that is read once at the start: "bad" in it ends with status 2
//	SLEEP        ends with status 0 after this time, without listening
//	MODE         crash: ends with status 2 at once; once: with 0; fail: with 1;
//	             flap: serves for three seconds and ends with 1;
//	             close: closes the connection of GET /; hang: never answers it;
//	             load: requests $TARGET 50 times a second; GET /load says what came of it
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
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const flapAfter = 3 * time.Second

// requests are those of MODE load.
var requests = &load{}

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
	case "load":
		go requests.run(os.Getenv("TARGET"))
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
	server.Addr = net.JoinHostPort(os.Getenv("HOST"), port)
	server.Handler = routes(time.Now().Add(duration("READY_AFTER")))
	if os.Getenv("GRPC") != "" {
		server.Handler = http.HandlerFunc(grpcHealth)
		server.Protocols = new(http.Protocols)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
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
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		switch os.Getenv("MODE") {
		case "close":
			panic(http.ErrAbortHandler)
		case "hang":
			<-r.Context().Done()
		}
		fmt.Fprintln(w, "subject")
	})
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, posts.Add(1)) })
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, posts.Load()) })
	mux.Handle("GET /load", requests)
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

// grpcHealth answers grpc.health.v1.Health/Check; all else is unimplemented.
func grpcHealth(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	if r.URL.Path != "/grpc.health.v1.Health/Check" {
		w.Header().Set("Grpc-Status", "12")
		return
	}
	health, _ := strconv.Atoi(os.Getenv("GRPC"))
	w.Header().Set("Trailer", "Grpc-Status")
	// A message of two bytes: field 1, a varint.
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, byte(health)})
	w.Header().Set("Grpc-Status", "0")
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
