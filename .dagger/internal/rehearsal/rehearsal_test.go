package rehearsal

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRefuse(t *testing.T) {
	const (
		core  = `{"apiVersion": "v1", "kind": "`
		space = `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": {"` + enforce + `": `
		hooks = `{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "`
		named = `", "metadata": {"name": "a"}}`
		full  = `{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}`
		rbac  = `"apiVersion": "rbac.authorization.k8s.io/v1", `
		role  = `{` + rbac + `"kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": [`
		bind  = `{` + rbac + `"kind": "ClusterRoleBinding", "metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": `
		read  = `{"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get", "list", "watch"]}`
	)
	for name, c := range map[string]struct{ objects, want string }{
		"nothing":                 {``, ""},
		"what a service has":      {`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "ns"}}`, ""},
		"its namespace":           {`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}`, ""},
		"a restricted one":        {space + `"restricted"}}}`, ""},
		"a privileged one":        {space + `"privileged"}}}`, "admits privileged pods"},
		"one with a new level":    {space + `""}}}`, "admits privileged pods"},
		"one with a number":       {space + `1}}}`, "admits privileged pods"},
		"another namespace":       {`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-public"}}`, "another namespace"},
		"in another namespace":    {`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "kube-system"}}`, "kube-system"},
		"a role in its namespace": {`{` + rbac + `"kind": "Role", "metadata": {"name": "a"}, "rules": [` + full + `]}`, ""},
		"a reader":                {role + read + `]}, ` + bind + `"reader"}}`, ""},
		"a definition":            {`{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition` + named, ""},
		"its own group":           {role + `{"apiGroups": ["acme.example"], "resources": ["*"], "verbs": ["*"]}]}`, ""},
		"an administrator":        {bind + `"cluster-admin"}}`, "ClusterRole cluster-admin"},
		"a writer":                {role + `{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "create"]}]}`, `"create"`},
		"every verb":              {role + `{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}]}`, `"*"`},
		"every group":             {role + `{"apiGroups": ["*"], "resources": ["widgets"], "verbs": ["patch"]}]}`, `"patch"`},
		"one of two groups":       {role + `{"apiGroups": ["acme.example", "batch"], "resources": ["jobs"], "verbs": ["create"]}]}`, `"create"`},
		"a node's back door":      {role + `{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]}`, "nodes/proxy"},
		"secrets":                 {role + `{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]}`, "secrets"},
		"verbs that are no list":  {role + `{"apiGroups": [""], "resources": ["pods"], "verbs": "create"}]}`, `"*"`},
		"other roles' rights":     {`{` + rbac + `"kind": "ClusterRole", "metadata": {"name": "a"}, "aggregationRule": {}}`, "aggregationRule"},
		"a volume":                {core + `PersistentVolume` + named, "directory of the cluster's node"},
		"a webhook":               {hooks + `MutatingWebhookConfiguration` + named, "admits"},
		"a policy of a later day": {strings.Replace(hooks, "v1", "v9", 1) + `NewPolicy` + named, "admits"},
		"a chart":                 {`{"apiVersion": "helm.cattle.io/v1", "kind": "HelmChart` + named, "k3s"},
		"a list":                  {`{"apiVersion": "v1", "kind": "List", "items": []}`, "others may hide"},
		"an identity":             {`{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest` + named, "identity"},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []object
			if err := json.Unmarshal([]byte("["+c.objects+"]"), &objects); err != nil {
				t.Fatal(err)
			}
			err := Refuse(objects, "ns")
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	objects, err := Parse("kind: A\ntext: |\n  a\n  ---\n  b\n---\nkind: B\n---\n")
	if err != nil || len(objects) != 2 || text(objects[0]["text"]) != "a\n---\nb\n" || text(objects[1]["kind"]) != "B" {
		t.Errorf("got %v, %v", objects, err)
	}
	if _, err := Parse("kind: A\nkind: B\n"); err == nil {
		t.Error("a key may stand twice, and only one of the two is looked at")
	}
}
