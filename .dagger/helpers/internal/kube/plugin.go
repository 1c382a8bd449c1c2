package kube

import (
	"encoding/json"
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/sanitize"
)

// execEntry is how a kubeconfig names a credential plugin.
type execEntry struct {
	APIVersion         string
	Command            string
	Args               []string
	Env                []struct{ Name string }
	InstallHint        string
	InteractiveMode    string
	ProvideClusterInfo bool
}

// hasPlugin says whether the program is in the container. kubectl, which is, has it from
// another program where it stands for one: kubectl oidc-login is kubectl-oidc_login.
func (s surroundings) hasPlugin(e execEntry) bool {
	if path.Base(e.Command) == "kubectl" && len(e.Args) > 0 {
		return s.hasProgram("kubectl-" + strings.ReplaceAll(e.Args[0], "-", "_"))
	}
	return s.hasProgram(e.Command)
}

// authProvider is what kubeconfigs had before credential plugins.
type authProvider struct {
	Name   string
	Config map[string]string
}

// clusterInfo is what a plugin with provideClusterInfo is told of the cluster.
type clusterInfo struct {
	Server                string `json:"server"`
	TLSServerName         string `json:"tls-server-name,omitempty"`
	InsecureSkipTLSVerify bool   `json:"insecure-skip-tls-verify,omitempty"`
	CAData                string `json:"certificate-authority-data,omitempty"`
	ProxyURL              string `json:"proxy-url,omitempty"`
	Config                any    `json:"config,omitempty"`
}

// execExtension is the name under which a cluster keeps something for its plugin.
const execExtension = "client.authentication.k8s.io/exec"

func (c clusterEntry) info() clusterInfo {
	info := clusterInfo{
		Server: withoutLogin(c.Server), TLSServerName: c.ServerName, InsecureSkipTLSVerify: c.Insecure, CAData: c.CAData,
	}
	if c.ProxyURL != "" {
		info.ProxyURL = withoutLogin(c.ProxyURL)
	}
	for _, e := range c.Extensions {
		if e.Name == execExtension {
			info.Config = e.Extension
		}
	}
	return info
}

// answer is the argument that has the plugin run on the user's machine, and what else
// the plugin needs there.
func (e execEntry) answer(cluster clusterEntry) string {
	if e.Command == "" {
		return "the kubeconfig has an exec without a command: get a new kubeconfig, or give a token with --credential"
	}
	program := path.Base(e.Command)
	if program == "kubectl" && len(e.Args) > 0 {
		program += " " + e.Args[0]
	}
	argument, secrets := e.argument(cluster)
	text := fmt.Sprintf("the kubeconfig gets its credentials from the program %s, which is not in the container: "+
		"have it run on your machine with --credential %s", sanitize.Line(program), argument)
	if len(secrets) > 0 {
		text += ", with the secret that the kubeconfig has there exported before as " + strings.Join(secrets, ", ")
	}
	if len(e.Env) > 0 {
		names := make([]string, len(e.Env))
		for i, v := range e.Env {
			names[i] = sanitize.Line(v.Name)
		}
		text += ", with the variables that the kubeconfig sets for it exported there too: " + strings.Join(names, ", ")
	}
	if strings.Contains(e.Command, "/") && !path.IsAbs(e.Command) {
		text += ", called from the directory of the kubeconfig"
	}
	if e.InteractiveMode == "Always" {
		text += " (it may ask for something, and nobody can answer there: run kubectl get namespaces before)"
	}
	if hint := strings.TrimSpace(e.InstallHint); hint != "" {
		text += fmt.Sprintf(" (if %s is not installed: %s)", sanitize.Line(program), sanitize.Line(strings.Join(strings.Fields(hint), " ")))
	}
	return text
}

// secretFlag is a flag of a plugin whose value is nobody's business.
var secretFlag = regexp.MustCompile(
	`(?i)^--?([a-z0-9_-]*(?:secret|password|passwd|passphrase|token|api[_-]?key|access[_-]?key|private[_-]?key))(=.*)?$`)

// argument is the value of --credential as it is typed at a shell's prompt. What is secret
// in it stands in variables, whose names it returns too.
func (e execEntry) argument(cluster clusterEntry) (typed string, secrets []string) {
	var words []string
	if e.ProvideClusterInfo {
		info, err := json.Marshal(map[string]any{
			"apiVersion": e.APIVersion, "kind": "ExecCredential",
			"spec": map[string]any{"cluster": cluster.info(), "interactive": false},
		})
		if err == nil {
			words = append(words, "KUBERNETES_EXEC_INFO="+shellWord(string(info)))
		}
	}
	words = append(words, shellWord(e.Command))
	secret := "" // variable with the next word, if that is one
	for _, arg := range e.Args {
		flag := secretFlag.FindStringSubmatch(arg)
		switch {
		case secret != "" && !strings.HasPrefix(arg, "-"):
			words = append(words, `"$`+secret+`"`)
			secrets = append(secrets, secret)
			secret = ""
			continue
		case flag != nil && flag[2] != "":
			name, _, _ := strings.Cut(arg, "=")
			secrets = append(secrets, variableOf(flag[1]))
			words = append(words, shellWord(name)+`="$`+variableOf(flag[1])+`"`)
		default:
			words = append(words, shellWord(arg))
		}
		secret = ""
		if flag != nil && flag[2] == "" {
			secret = variableOf(flag[1])
		}
	}
	command := strings.Join(words, " ")
	if strings.ContainsAny(command, "\"$`\\!") {
		return shellWord("cmd:" + command), secrets
	}
	return `cmd:"` + command + `"`, secrets
}

// variableOf is a name for the value of a flag.
func variableOf(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimLeft(flag, "-"), "-", "_"))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes a word for a POSIX shell, if it needs to be.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// azureServer is the application that all clusters of Azure's log in to, unless the
// kubeconfig names another.
const azureServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// answer is what to do about an auth-provider, "" about one that works.
func (p authProvider) answer(now time.Time) string {
	switch p.Name {
	case "gcp":
		return "the kubeconfig has the auth-provider gcp, which kubectl no longer knows: " +
			`give --credential cmd:"gcloud auth print-access-token"`
	case "azure":
		server := p.Config["apiserver-id"]
		if server == "" {
			server = azureServer
		}
		plugin := execEntry{Command: "kubelogin", Args: []string{"get-token", "--login", "azurecli", "--server-id", server}}
		login, _ := plugin.argument(clusterEntry{})
		return "the kubeconfig has the auth-provider azure, which kubectl no longer knows: give --credential " + login
	case "oidc":
		// kubectl still knows this one, but cannot keep what it renews in a secret.
		end, known := tokenEnd(p.Config["id-token"])
		if p.Config["id-token"] != "" && (!known || now.Before(end)) {
			return ""
		}
		return "the kubeconfig's auth-provider oidc has no id-token that is still valid: run kubectl get namespaces, " +
			"which renews it in the file, and call again, or give a token with --credential"
	}
	return fmt.Sprintf("the kubeconfig has the auth-provider %s, which kubectl no longer knows: give a token with --credential",
		sanitize.Line(p.Name))
}

// Names of the user's own machine, which stand for themselves and what ends in them: those
// that containers call it, mostly, and those that it knows too.
var (
	namesInContainers = []string{
		"docker.internal", "k3d.internal", "containers.internal", "lima.internal", "rancher-desktop.internal",
	}
	namesHere = []string{"localhost", "minikube.internal", "orb.local"}
)

func hasName(host string, names []string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(names, func(name string) bool { return host == name || strings.HasSuffix(host, "."+name) })
}

// minikubeNetwork is where minikube's nodes are, in a network of this machine alone.
var minikubeNetwork = net.IPNet{IP: net.IPv4(192, 168, 49, 0).To4(), Mask: net.CIDRMask(24, 32)}

// IsHere says whether a host is the user's own machine, or only reached from there.
func IsHere(host string) bool {
	ip := net.ParseIP(host)
	return hasName(host, namesHere) || hasName(host, namesInContainers) ||
		ip.IsLoopback() || ip.IsUnspecified() || ip != nil && minikubeNetwork.Contains(ip)
}

// here is the address by which the machine knows such a host itself.
func here(host string) string {
	if hasName(host, namesInContainers) || net.ParseIP(host).IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// isMinikube says whether minikube made the cluster, whose address then is in a network
// of the user's machine.
func (c clusterEntry) isMinikube() bool {
	for _, e := range c.Extensions {
		fields, _ := e.Extension.(map[string]any)
		if fields["provider"] == "minikube.sigs.k8s.io" {
			return true
		}
	}
	return false
}
