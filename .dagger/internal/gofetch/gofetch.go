// Package gofetch says how the go command fetches modules that not everybody may read.
package gofetch

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Settings are where modules come from, and what opens the way there.
type Settings struct {
	Proxy   string // as GOPROXY has it
	Private string // as GOPRIVATE has it
	Netrc   bool   // there are passwords
	SSH     bool   // there is an SSH agent
	CA      bool   // there is a CA of a host's own
}

// Any says whether modules come from elsewhere than the public proxy.
func (s Settings) Any() bool { return s != Settings{} }

// Check refuses what go would not take, or would take and print.
func (s Settings) Check() error {
	for _, entry := range strings.FieldsFunc(s.Proxy, func(r rune) bool { return r == ',' || r == '|' }) {
		if entry == "direct" || entry == "off" {
			continue
		}
		proxy, err := url.Parse(entry)
		switch {
		case err == nil && proxy.User != nil, err != nil && strings.Contains(entry, "@"):
			return errors.New("--go-proxy holds a password, which would be printed: give it with --netrc, as machine HOST login NAME password PASSWORD")
		case err != nil || proxy.Host == "" || proxy.Scheme != "https" && proxy.Scheme != "http":
			return fmt.Errorf("--go-proxy: %q is no module proxy: give one as GOPROXY has it, such as https://proxy.example.com,direct", entry)
		case proxy.Scheme == "http" && s.Netrc:
			return fmt.Errorf("--go-proxy: go sends no password of --netrc to %s, which is http: give one with https", entry)
		}
	}
	hosts := s.hosts()
	for _, host := range hosts {
		if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '@' || r == ':' || r == '"' || r > '~' }) {
			return fmt.Errorf("--go-private %q is no list of modules: give patterns of their paths with commas between, "+
				"as GOPRIVATE has them, such as git.example.com/team/*", s.Private)
		}
	}
	if !s.SSH {
		return nil
	}
	if len(hosts) == 0 {
		return errors.New("--ssh-agent: say with --go-private which modules are fetched over SSH, such as git.example.com/team/*")
	}
	if i := slices.IndexFunc(hosts, func(host string) bool { return strings.ContainsAny(host, `*?[\`) }); i >= 0 {
		return fmt.Errorf("--ssh-agent needs the host's own name in --go-private, where %s stands for several", hosts[i])
	}
	return nil
}

// hosts are the first elements of the patterns of private modules.
func (s Settings) hosts() []string {
	var hosts []string
	if s.Private == "" {
		return nil
	}
	for pattern := range strings.SplitSeq(s.Private, ",") {
		host, _, _ := strings.Cut(path.Clean(pattern), "/")
		if pattern == "" {
			host = ""
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// Env is the environment in which go fetches.
func (s Settings) Env() map[string]string {
	env := map[string]string{"GIT_TERMINAL_PROMPT": "0"}
	if s.Proxy != "" {
		env["GOPROXY"] = s.Proxy
	}
	if s.Private != "" {
		env["GOPRIVATE"] = s.Private
	}
	if s.SSH {
		// go.sum says whether what a host gives is right; which host that is need not be known before.
		env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
		hosts := s.hosts()
		env["GIT_CONFIG_COUNT"] = strconv.Itoa(len(hosts))
		for i, host := range hosts {
			env[fmt.Sprintf("GIT_CONFIG_KEY_%d", i)] = "url.ssh://git@" + host + "/.insteadOf"
			env[fmt.Sprintf("GIT_CONFIG_VALUE_%d", i)] = "https://" + host + "/"
		}
	}
	return env
}
