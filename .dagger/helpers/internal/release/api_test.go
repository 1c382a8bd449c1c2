package release

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// TestMain also is the kubectl of the tests that connect: a link of that name to the test
// program. It carries what comes through kubectl proxy's socket to the test's own.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "kubectl" {
		os.Exit(m.Run())
	}
	for _, arg := range os.Args {
		if socket, ok := strings.CutPrefix(arg, "--unix-socket="); ok {
			panic(carry(socket, os.Getenv("FAKE_API")))
		}
	}
}

func carry(from, to string) error {
	listener, err := net.Listen("unix", from)
	if err != nil {
		return err
	}
	for {
		in, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("unix", to)
			if err != nil {
				return
			}
			defer out.Close()
			go func() { _, _ = io.Copy(out, in) }()
			_, _ = io.Copy(in, out)
		}()
	}
}

// api is an API server with Secrets, Leases and Deployments in memory. Of apply it knows
// no more than that it stores the object.
type api struct {
	mu      sync.Mutex
	objects map[string]object.Object                        // by path
	writes  []string                                        // method and path
	refuse  func(r *http.Request) (code int, reason string) // may be nil; code 0 to carry out
	version int
}

// connect is a client of an API that holds the objects.
func connect(t *testing.T, objects ...object.Object) (*kube.Client, *api) {
	t.Helper()
	home, err := os.MkdirTemp("", "api") // The path of a socket must be short.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(home, "kubectl")); err != nil {
		t.Fatal(err)
	}
	config := `{contexts: [{name: main, context: {cluster: c, user: u, namespace: shop}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1"}}], users: [{name: u, user: {token: x}}]}`
	if err := os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(home, "api.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("PATH", home)
	t.Setenv("KUBECONFIG", filepath.Join(home, "config"))
	t.Setenv("FAKE_API", filepath.Join(home, "api.sock"))
	a := &api{objects: map[string]object.Object{}}
	server := &http.Server{Handler: a}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	client, err := kube.Connect(t.Context(), kube.Target{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for _, o := range objects {
		path, err := client.Path(o)
		if err != nil {
			t.Fatal(err)
		}
		a.objects[path] = o.Clone()
	}
	return client, a
}

// live is an object as the API has it now, nil if there is none.
func (a *api) live(t *testing.T, client *kube.Client, o object.Object) object.Object {
	t.Helper()
	path, err := client.Path(o)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects[path].Clone()
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kinds := func(group, resource, kind string) string {
		return fmt.Sprintf(`{"metadata":{"name":%q},"versions":[{"version":"v1","resources":[{"resource":%q,"scope":"Namespaced",
			"verbs":["list"],"responseKind":{"kind":%q}}]}]}`, group, resource, kind)
	}
	switch r.URL.Path {
	case "/api":
		fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","items":[%s]}`, kinds("", "secrets", "Secret"))
		return
	case "/apis":
		fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","items":[%s,%s]}`,
			kinds("apps", "deployments", "Deployment"), kinds("coordination.k8s.io", "leases", "Lease"))
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method != http.MethodGet {
		a.writes = append(a.writes, r.Method+" "+r.URL.Path)
	}
	code, answer := a.answer(r)
	if code >= 300 {
		answer = object.Object{"kind": "Status", "apiVersion": "v1", "code": code, "reason": answer.Text("reason"),
			"message": answer.Text("reason")}
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

func refusal(code int, reason string) (int, object.Object) {
	return code, object.Object{"reason": reason}
}

func (a *api) answer(r *http.Request) (int, object.Object) {
	if a.refuse != nil {
		if code, reason := a.refuse(r); code != 0 {
			return refusal(code, reason)
		}
	}
	path := r.URL.Path
	text, _ := io.ReadAll(r.Body)
	var sent object.Object
	var patch []struct {
		Op, Path string
		Value    any
	}
	if r.Header.Get("Content-Type") == "application/json-patch+json" {
		_ = object.Decode(text, &patch)
	} else if len(text) > 0 {
		if err := object.Decode(text, &sent); err != nil {
			return refusal(http.StatusBadRequest, "BadRequest")
		}
	}
	isList := strings.Count(path, "/") == strings.Count("/api/v1/namespaces/shop/secrets", "/") && strings.HasPrefix(path, "/api/") ||
		strings.Count(path, "/") == strings.Count("/apis/apps/v1/namespaces/shop/deployments", "/") && strings.HasPrefix(path, "/apis/")
	live := a.objects[path]
	switch {
	case isList && r.Method == http.MethodGet:
		return http.StatusOK, a.list(path, r)
	case isList:
		if a.objects[path+"/"+sent.Name()] != nil {
			return refusal(http.StatusConflict, "AlreadyExists")
		}
		return http.StatusCreated, a.store(path+"/"+sent.Name(), sent, fmt.Sprint("uid-", a.version))
	case r.Header.Get("Content-Type") == "application/apply-patch+yaml":
		return http.StatusOK, a.store(path, sent, fmt.Sprint("uid-", a.version))
	case live == nil:
		return refusal(http.StatusNotFound, "NotFound")
	}
	switch r.Method {
	case http.MethodDelete:
		delete(a.objects, path)
	case http.MethodPut:
		if sent.ResourceVersion() != live.ResourceVersion() {
			return refusal(http.StatusConflict, "Conflict")
		}
		return http.StatusOK, a.store(path, sent, live.UID())
	case http.MethodPatch:
		next := live.Clone()
		for _, p := range patch {
			field := strings.Split(strings.TrimPrefix(p.Path, "/"), "/")
			if p.Op == "test" && next.At(field...) != p.Value {
				return refusal(http.StatusConflict, "Conflict")
			}
			next.Set(p.Value, field...)
		}
		if uid := sent.UID(); uid != "" && uid != live.UID() {
			return refusal(http.StatusConflict, "Conflict")
		}
		return http.StatusOK, a.store(path, merged(next, sent), live.UID())
	}
	return http.StatusOK, live
}

func (a *api) store(path string, o object.Object, uid string) object.Object {
	a.version++
	o.Set(strconv.Itoa(a.version), "metadata", "resourceVersion")
	o.Set(uid, "metadata", "uid")
	a.objects[path] = o
	return o
}

// list is a page of a collection.
func (a *api) list(path string, r *http.Request) object.Object {
	selected := func(o object.Object) bool {
		for term := range strings.SplitSeq(r.URL.Query().Get("labelSelector"), ",") {
			if label, value, _ := strings.Cut(term, "="); o.Label(label) != value {
				return false
			}
		}
		return true
	}
	var items []any
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	for _, key := range slices.Sorted(maps.Keys(a.objects)) {
		if o := a.objects[key]; strings.HasPrefix(key, path+"/") && selected(o) {
			items = append(items, map[string]any(o))
		}
	}
	metadata := map[string]any{}
	if len(items) > from+limit {
		items, metadata["continue"] = items[:from+limit], strconv.Itoa(from+limit)
	}
	return object.Object{"metadata": metadata, "items": items[min(from, len(items)):]}
}

// merged is an object after a merge patch (RFC 7386).
func merged(o, patch object.Object) object.Object {
	o = o.Clone()
	for key, value := range patch {
		switch below := patch.Map(key); {
		case value == nil:
			delete(o, key)
		case below != nil:
			if o.Map(key) == nil {
				o[key] = map[string]any{}
			}
			o[key] = map[string]any(merged(o.Map(key), below))
		default:
			o[key] = value
		}
	}
	return o
}
