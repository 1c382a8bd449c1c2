package kube

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExecAnswer(t *testing.T) {
	for name, test := range map[string]struct{ cluster, stanza, want string }{
		"EKS": {"", "{command: aws, args: [--region, eu-west-1, eks, get-token, --cluster-name, prod, --output, json]}",
			`program aws, which is not in the container: have it run on your machine with ` +
				`--credential cmd:"aws --region eu-west-1 eks get-token --cluster-name prod --output json"`},
		"variables": {"", "{command: aws, args: [eks, get-token], " +
			"env: [{name: AWS_PROFILE, value: let-me-in}, {name: AWS_REGION, value: let-me-in}]}",
			`cmd:"aws eks get-token", with the variables that the kubeconfig sets for it exported there too: AWS_PROFILE, AWS_REGION`},
		"hint": {"", "{command: gke-gcloud-auth-plugin, installHint: \"Install it\\n  with gcloud\"}",
			`cmd:"gke-gcloud-auth-plugin" (if gke-gcloud-auth-plugin is not installed: Install it with gcloud)`},
		"relative": {"", "{command: ./bin/login}", `cmd:"./bin/login", called from the directory of the kubeconfig`},
		"spaces":   {"", "{command: /opt/My Tools/login, args: [--user, jane doe]}", `cmd:"'/opt/My Tools/login' --user 'jane doe'"`},
		"empty":    {"", `{command: login, args: [""]}`, `cmd:"login ''"`},
		"a dollar": {"", "{command: login, args: [$HOME]}", `--credential 'cmd:login '\''$HOME'\'''`},
		"cluster information": {`tls-server-name: k, certificate-authority-data: QQ==, ` +
			`extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: a}}]`,
			"{apiVersion: client.authentication.k8s.io/v1, command: login, provideClusterInfo: true}",
			`'cmd:KUBERNETES_EXEC_INFO='\''{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"cluster":` +
				`{"server":"https://k8s.example.com","tls-server-name":"k","certificate-authority-data":"QQ==",` +
				`"config":{"audience":"a"}},"interactive":false}}'\'' login'`},
		"a plugin of kubectl": {"", "{command: kubectl, args: [oidc-login, get-token, --oidc-issuer-url=https://id.example.com]}",
			`program kubectl oidc-login, which is not in the container: have it run on your machine with ` +
				`--credential cmd:"kubectl oidc-login get-token --oidc-issuer-url=https://id.example.com"`},
		"a secret": {"", "{command: kubelogin, args: [get-token, --client-secret, let-me-in, --server-id, a]}",
			`--credential 'cmd:kubelogin get-token --client-secret "$CLIENT_SECRET" --server-id a', ` +
				`with the secret that the kubeconfig has there exported before as CLIENT_SECRET`},
		"a secret behind =": {"", "{command: kubectl, args: [oidc-login, --oidc-client-secret=let-me-in, --token-cache-dir=/x]}",
			`'cmd:kubectl oidc-login --oidc-client-secret="$OIDC_CLIENT_SECRET" --token-cache-dir=/x'`},
		"a flag like one":    {"", "{command: login, args: [--get-token, --cluster, a, --password]}", `cmd:"login --get-token --cluster a --password"`},
		"asks":               {"", "{command: login, interactiveMode: Always}", `cmd:"login" (it may ask for something, and nobody can answer there`},
		"no command":         {"", "{args: [a]}", "has an exec without a command: get a new kubeconfig"},
		"an escape sequence": {"", `{command: "evil\e[31m"}`, `program evil\x1b[31m`},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := `server: "https://k8s.example.com"`
			if test.cluster != "" {
				cluster += ", " + test.cluster
			}
			_, err := choose([]byte(config(cluster, "exec: "+test.stanza)), Target{}, surroundings{
				inContainer: true, hasProgram: func(name string) bool { return name == "kubectl" }, now: today,
			})
			contains(t, err, test.want)
			if strings.Contains(err.Error(), "let-me-in") {
				t.Error("tells a variable's value")
			}
		})
	}
}

// What is to be typed reaches the program as the kubeconfig has it: through the shell at
// the prompt, and the one that runs what stands after cmd:.
func TestArgumentThroughShells(t *testing.T) {
	e := execEntry{
		APIVersion: "client.authentication.k8s.io/v1", Command: "printf", ProvideClusterInfo: true,
		Args: []string{`%s\n`, "plain", "two words",
			`"double"`, "it's", "$HOME", "`id`", `back\slash`, "!!", "*", "", "~", "a;b|c&d", "#x", "--é=1"},
	}
	e.Args = append(e.Args, "--a-secret=it's", "--password", "p w")
	argument, secrets := e.argument(clusterEntry{Server: "https://it's", ProxyURL: "http://ann:hunter2@proxy:3128"})
	if strings.Contains(argument, "hunter2") {
		t.Errorf("%s shows a password", argument)
	}
	if !slices.Equal(secrets, []string{"A_SECRET", "PASSWORD"}) {
		t.Error(secrets)
	}
	t.Setenv("A_SECRET", "it's")
	t.Setenv("PASSWORD", "p w")
	typed, err := exec.Command("sh", "-c", "printf %s "+argument).Output()
	if err != nil {
		t.Fatal(err)
	}
	command, found := strings.CutPrefix(string(typed), "cmd:")
	if !found {
		t.Fatalf("%q", typed)
	}
	out, err := exec.Command("sh", "-c", command).Output()
	if want := strings.Join(e.Args[1:], "\n") + "\n"; err != nil || string(out) != want {
		t.Errorf("%v %q\nwant %q", err, out, want)
	}
	info, err := exec.Command("sh", "-c", strings.Replace(command, " printf ", ` sh -c 'printf %s "$KUBERNETES_EXEC_INFO"' `, 1)).Output()
	if want := `"server":"https://it's"`; err != nil || !strings.Contains(string(info), want) {
		t.Errorf("%v %q has no %s", err, info, want)
	}
}

func TestAuthProvider(t *testing.T) {
	for name, test := range map[string]struct {
		provider authProvider
		want     string
	}{
		"gcp":   {authProvider{Name: "gcp"}, `--credential cmd:"gcloud auth print-access-token"`},
		"azure": {authProvider{Name: "azure"}, `cmd:"kubelogin get-token --login azurecli --server-id ` + azureServer + `"`},
		"azure, own": {authProvider{Name: "azure", Config: map[string]string{"apiserver-id": "x y"}},
			`cmd:"kubelogin get-token --login azurecli --server-id 'x y'"`},
		"oidc":          {authProvider{Name: "oidc", Config: map[string]string{"id-token": webToken(today.Add(time.Hour))}}, ""},
		"oidc, expired": {authProvider{Name: "oidc", Config: map[string]string{"id-token": webToken(today)}}, "run kubectl get namespaces"},
		"oidc, none":    {authProvider{Name: "oidc"}, "no id-token that is still valid"},
		"unknown":       {authProvider{Name: "openstack"}, "auth-provider openstack, which kubectl no longer knows: give a token"},
	} {
		got := test.provider.answer(today)
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q\nwant %q", name, got, test.want)
		}
	}
}
