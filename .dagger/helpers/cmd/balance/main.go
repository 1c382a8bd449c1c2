// Balance hands connections on to other addresses, each to the next in turn, as
// a Service of Kubernetes spreads them over its pods.
//
//	balance PORT=HOST:PORT[,HOST:PORT…]…
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
)

func main() {
	failed := make(chan error)
	for _, arg := range os.Args[1:] {
		port, addresses, _ := strings.Cut(arg, "=")
		go func() { failed <- balance(":"+port, strings.Split(addresses, ",")) }()
	}
	fmt.Fprintln(os.Stderr, "balance:", <-failed)
	os.Exit(1)
}

func balance(address string, backends []string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var turn atomic.Uint64
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			// The turn is taken by the first byte: browsers open connections ahead and
			// may never use them, which must not make every second one go to the same.
			first := make([]byte, 4096)
			n, err := client.Read(first)
			if err != nil {
				_ = client.Close()
				return
			}
			backend := backends[(turn.Add(1)-1)%uint64(len(backends))]
			forward(client, first[:n], backend)
		}()
	}
}

func forward(client net.Conn, first []byte, backend string) {
	defer client.Close()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		fmt.Fprintln(os.Stderr, "balance:", err)
		return
	}
	defer server.Close()
	if _, err := server.Write(first); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}
