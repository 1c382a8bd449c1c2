// Kubeconfig waits for the kubeconfig of a throwaway cluster and copies of it what a
// cluster's own kubeconfig has: an address, its authority, a certificate and its key.
//
//	kubeconfig IN OUT
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// patience is how long a cluster may take to start, beside whatever else a small machine is building.
const patience = 3 * time.Minute

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kubeconfig IN OUT")
		os.Exit(2)
	}
	if err := copyPlain(os.Args[1], os.Args[2], patience); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// copyPlain waits until there is something in the file from.
func copyPlain(from, to string, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		text, err := read(from)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(text) > 0 {
			out, err := plain(text)
			if err != nil {
				return err
			}
			return os.WriteFile(to, out, 0o600)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the cluster has written no kubeconfig within %s: start it with dagger call cluster server up", patience)
		}
	}
}
