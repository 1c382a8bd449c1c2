package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Engine is one instance of the Dagger engine.
type Engine struct{ Daemon }

// engineSpec is what the daemon needs to know to become the engine.
type engineSpec struct {
	Root    string // read-only lower directory of the root file system
	Content string // blobs of the Go SDK image
	Dir     string // of the instance
	Network Network
	Config  []byte // engine.json
	Env     []string
}

// An engine that collects garbage before a small disk is full, but keeps what one project needs.
var engineGC = map[string]any{"reservedSpace": "4GB", "maxUsedSpace": "15GB", "minFreeSpace": "10%"}

func (e Engine) socket() string { return filepath.Join(e.dir, "run", "engine.sock") }

// Serving says whether the engine started from key answers.
func (e Engine) Serving(key string) bool {
	r, alive := e.Record()
	return alive && r.Key == key && dials("unix", e.socket())
}

// Start starts the instance's engine, of which none may be running.
func (e Engine) Start(ctx context.Context, key string, spec engineSpec, parts []string) error {
	if err := e.prepare(spec); err != nil {
		return err
	}
	if err := spec.Network.Claim(ctx, spec.Root); err != nil {
		return err
	}
	rec := record{Key: key, Address: "unix://" + e.socket(), Parts: parts}
	if err := e.Daemon.Start(rec, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID); err != nil {
		return err
	}
	return e.AwaitServing(ctx)
}

// prepare makes the instance's directories and leaves the spec there.
func (e Engine) prepare(spec engineSpec) error {
	for _, dir := range []string{".", "run", "state", "root", "tmp"} {
		if err := privateDir(filepath.Join(e.dir, dir)); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(e.dir, "spec.json"), spec)
}

// AwaitServing waits for an engine that was started to answer. One that was killed
// first discards its whole cache, which is gigabytes.
func (e Engine) AwaitServing(ctx context.Context) error {
	return e.WaitReady(ctx, 3*time.Minute, func() bool { return dials("unix", e.socket()) })
}

// Stop ends the engine. Its mounts and its containers' processes and networks end with its
// namespaces; the bridge, the packet filter rules and the control group are the machine's.
func (e Engine) Stop(ctx context.Context) error {
	var spec engineSpec
	if err := readJSON(filepath.Join(e.dir, "spec.json"), &spec); os.IsNotExist(err) {
		return nil // never started
	} else if err != nil {
		return err
	}
	// The engine syncs its state before it leaves; killed earlier it would discard it.
	if err := e.Daemon.Stop(ctx, 2*time.Minute); err != nil {
		return err
	}
	if err := os.Remove(e.socket()); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := spec.Network.Remove(ctx, spec.Root); err != nil {
		return err
	}
	if err := removeCgroup(spec.Network.Name); err != nil {
		return err
	}
	return os.Remove(filepath.Join(e.dir, "spec.json"))
}

// engineConfig is engine.json: every registry an image stands in for is mirrored by the lab's.
func engineConfig(registryAddress string) ([]byte, error) {
	registries := map[string]any{registryAddress: map[string]any{"http": true}}
	for _, image := range images {
		registries[image.Registry] = map[string]any{"mirrors": []string{registryAddress}}
	}
	return json.MarshalIndent(map[string]any{"logLevel": "info", "gc": engineGC, "registries": registries}, "", "  ")
}

// engineEnv is the engine's whole environment.
func engineEnv(ctx context.Context, sdkDigest string) ([]string, error) {
	proxy, err := command{Args: []string{"go", "env", "GOPROXY"}}.output(ctx)
	if err != nil {
		return nil, err
	}
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"DAGGER_GO_SDK_MANIFEST_DIGEST=" + sdkDigest,
		// The engine hands this on to the containers in which it compiles Go modules.
		"_DAGGER_ENGINE_SYSTEMENV_GOPROXY=file:///" + goProxyTree + "," + proxy,
	}
	for _, entry := range os.Environ() {
		switch key, _, _ := strings.Cut(entry, "="); strings.ToUpper(key) {
		case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY":
			env = append(env, entry)
		}
	}
	return env, nil
}

// Network is the part of the machine's network that belongs to one engine.
type Network struct {
	Name string // of the CNI network; its bridge has a 0 behind it
	CIDR string
}

// freeCIDR is a range for the network that no interface of this machine is in. The default
// instance gets Dagger's usual one where it can.
func freeCIDR(first int) (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for i := range 64 {
		cidr := fmt.Sprintf("10.%d.0.0/16", 87+(first+i)%64)
		_, candidate, err := net.ParseCIDR(cidr)
		if err != nil {
			return "", err
		}
		taken := false
		for _, a := range addresses {
			if used, ok := a.(*net.IPNet); ok {
				taken = taken || candidate.Contains(used.IP) || used.Contains(candidate.IP)
			}
		}
		if !taken {
			return cidr, nil
		}
	}
	return "", fmt.Errorf("every network from 10.87.0.0/16 to 10.150.0.0/16 is in use on this machine")
}
