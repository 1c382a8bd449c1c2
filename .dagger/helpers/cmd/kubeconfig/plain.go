package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"sigs.k8s.io/yaml"
)

// maxSize is in bytes; k3s writes three thousand.
const maxSize = 64 << 10

// server is where the cluster listens, as it says itself.
const server = "https://127.0.0.1:6443"

// kubeconfig has no more fields than these. A program to run (exec), a way around
// (proxy-url), files of somebody's (client-key) and whatever else kubectl would obey
// are not among them.
type kubeconfig struct {
	APIVersion     string           `json:"apiVersion"`
	Kind           string           `json:"kind"`
	CurrentContext string           `json:"current-context"`
	Preferences    *struct{}        `json:"preferences,omitempty"`
	Clusters       []named[cluster] `json:"clusters"`
	Users          []named[user]    `json:"users"`
	Contexts       []named[context] `json:"contexts"`
}

// named is an entry of one of the lists. Each kind of entry has its own key, of which an
// entry has one.
type named[T any] struct {
	Name    string `json:"name"`
	Cluster *T     `json:"cluster,omitempty"`
	User    *T     `json:"user,omitempty"`
	Context *T     `json:"context,omitempty"`
}

type cluster struct {
	Server    string `json:"server"`
	Authority []byte `json:"certificate-authority-data"`
}

type user struct {
	Certificate []byte `json:"client-certificate-data"`
	Key         []byte `json:"client-key-data"`
}

type context struct {
	Cluster string `json:"cluster"`
	User    string `json:"user"`
}

// read returns the contents of a file, which whoever gets at the cluster's node could
// have put there: no link is followed, nothing but a plain file of modest size is read.
func read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, errors.New("the cluster's kubeconfig is not a plain file of 64 KiB at most: start another cluster, with another --name")
	}
	return io.ReadAll(io.LimitReader(file, maxSize))
}

// plain writes a kubeconfig anew, from the parts that a cluster's own has, and refuses
// one that has others.
func plain(text []byte) ([]byte, error) {
	var k kubeconfig
	if err := yaml.UnmarshalStrict(text, &k); err != nil {
		// The error would repeat what the file says, which may be a key.
		return nil, refused("it has other fields than a server, its authority, a certificate and a key")
	}
	switch {
	case len(k.Clusters) != 1 || k.Clusters[0].Cluster == nil,
		len(k.Users) != 1 || k.Users[0].User == nil,
		len(k.Contexts) != 1 || k.Contexts[0].Context == nil:
		return nil, refused("it does not have one cluster, one user and one context")
	case k.Clusters[0].Cluster.Server != server:
		return nil, refused("its server is not " + server)
	}
	const name = "default"
	return yaml.Marshal(kubeconfig{
		APIVersion: "v1", Kind: "Config", CurrentContext: name,
		Clusters: []named[cluster]{{Name: name, Cluster: k.Clusters[0].Cluster}},
		Users:    []named[user]{{Name: name, User: k.Users[0].User}},
		Contexts: []named[context]{{Name: name, Context: &context{Cluster: name, User: name}}},
	})
}

func refused(reason string) error {
	return fmt.Errorf("the cluster's kubeconfig is not as the cluster writes it: %s; start another cluster, with another --name", reason)
}
