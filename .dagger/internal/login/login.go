// Package login finds the way to log in to a registry in what docker login stored. It
// reads no file and asks nobody.
package login

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Login is how to log in to a registry; all empty where the config says nothing of it.
type Login struct {
	Username, Password string
	IdentityToken      string
	RegistryToken      string

	// Hint is what to do if the registry wants a login after all, "" where a login was found.
	Hint string
}

// config is what docker login, or podman login, writes.
type config struct {
	Auths       map[string]entry
	CredsStore  string
	CredHelpers map[string]string

	// These are what a credential helper prints in its place.
	ServerURL, Username, Secret string
}

type entry struct {
	Auth, Username, Password     string
	IdentityToken, RegistryToken string
}

const (
	hub       = "index.docker.io"
	hubServer = "https://index.docker.io/v1/"
	// tokenUser is what helpers call the user of an identity token.
	tokenUser = "<token>"
)

// Find reads a Docker config, or what a credential helper printed, and looks for the login
// to a repository, which is named with its registry as in ghcr.io/acme/hello. No error
// shows any of the config's secrets.
func Find(text, repository string) (Login, error) {
	registry, _, _ := strings.Cut(repository, "/")
	var c config
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &c); err != nil {
		return Login{}, errors.New("--registry-config is not the JSON that docker login stores, or that a credential helper prints: " +
			"give file:$HOME/.docker/config.json, or run the command after cmd: by itself and see what it prints")
	}
	if c.Secret != "" || c.Username != "" {
		return c.printed(registry)
	}
	hint := "docker login " + plainName(registry)
	found, listed := c.entry(repository)
	switch {
	case listed && found != entry{}:
		return found.login(registry)
	case c.helper(registry) != "":
		return Login{}, ask(registry, c.helper(registry))
	case listed && c.CredsStore != "":
		return Login{}, ask(registry, c.CredsStore)
	case c.CredsStore != "" && helperName.MatchString(c.CredsStore):
		hint = hint + ", then " + argument(registry, c.CredsStore)
	}
	return Login{Hint: hint}, nil
}

// printed is the login that a credential helper printed.
func (c config) printed(registry string) (Login, error) {
	if c.ServerURL != "" && host(c.ServerURL) != registry {
		return Login{}, fmt.Errorf("--registry-config holds the login to another registry than %s: ask the credential helper for that one",
			plainName(registry))
	}
	if c.Secret == "" || c.Username == "" {
		return Login{}, errors.New("--registry-config holds only one of Username and Secret: " +
			"run the credential helper by itself and see what it prints")
	}
	if c.Username == tokenUser {
		return Login{IdentityToken: c.Secret}, nil
	}
	return Login{Username: c.Username, Password: c.Secret}, nil
}

// entry is the one for the repository itself, or else for the nearest above it.
func (c config) entry(repository string) (entry, bool) {
	keys := map[string]entry{}
	// In their order, so that of two keys for one registry the same one counts each time.
	for _, key := range slices.Sorted(maps.Keys(c.Auths)) {
		if normal := normal(key); keys[normal] == (entry{}) {
			keys[normal] = c.Auths[key]
		}
	}
	for name := repository; ; name = name[:strings.LastIndex(name, "/")] {
		if e, ok := keys[name]; ok {
			return e, true
		}
		if !strings.Contains(name, "/") {
			return entry{}, false
		}
	}
}

// helper is the one that the registry has for itself, "" if it has none.
func (c config) helper(registry string) string {
	for key, name := range c.CredHelpers {
		if normal(key) == registry {
			return name
		}
	}
	return ""
}

func (e entry) login(registry string) (Login, error) {
	l := Login{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}
	if e.Auth != "" {
		text, err := base64.StdEncoding.DecodeString(e.Auth)
		name, password, found := strings.Cut(string(text), ":")
		if err != nil || !found {
			return Login{}, fmt.Errorf("--registry-config: auth of %s is not base64 of name:password: docker login %[1]s writes it anew",
				plainName(registry))
		}
		l.Username, l.Password = name, strings.Trim(password, "\x00")
	}
	if l.Username == tokenUser && l.IdentityToken == "" {
		l.IdentityToken = l.Password
	}
	if l.Password == "" && l.IdentityToken == "" && l.RegistryToken == "" {
		return Login{}, fmt.Errorf("--registry-config has a name and no password for %s: docker login %[1]s writes it anew", plainName(registry))
	}
	return l, nil
}

var helperName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// ask says how to ask a credential helper, which only the user's machine has.
func ask(registry, helper string) error {
	if !helperName.MatchString(helper) {
		return fmt.Errorf("--registry-config names the credential helper %q, which is no program's name", helper)
	}
	return fmt.Errorf("--registry-config has the login to %s only by way of docker-credential-%s, which is on your machine: give instead %s",
		plainName(registry), helper, argument(registry, helper))
}

func argument(registry, helper string) string {
	server := registry
	if registry == hub {
		server = hubServer
	}
	return fmt.Sprintf(`--registry-config cmd:"echo %s | docker-credential-%s get"`, server, helper)
}

// normal is a key of a config as repositories begin: docker login writes URLs too.
func normal(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	key = strings.TrimSuffix(key, "/")
	for _, version := range []string{"/v1", "/v2"} {
		key = strings.TrimSuffix(key, version)
	}
	registry, rest, nested := strings.Cut(key, "/")
	if slices.Contains([]string{"docker.io", "registry-1.docker.io"}, registry) {
		registry = hub
	}
	if nested {
		return registry + "/" + rest
	}
	return registry
}

func host(server string) string {
	name, _, _ := strings.Cut(normal(server), "/")
	return name
}

// plainName is what people call a registry.
func plainName(registry string) string {
	return cmp.Or(map[string]string{hub: "docker.io"}[registry], registry)
}
