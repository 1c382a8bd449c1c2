package login

import (
	"fmt"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	const (
		secret = "let-me-in"
		auth   = "YW5uOmxldC1tZS1pbg==" // ann:let-me-in
	)
	ann := Login{Username: "ann", Password: secret}
	for name, test := range map[string]struct {
		text, repository string
		want             Login
		wrong            string
	}{
		"inline":                  {`{"auths":{"ghcr.io":{"auth":"` + auth + `"}}}`, "ghcr.io/acme/hello", ann, ""},
		"with a port":             {`{"auths":{"localhost:5000":{"auth":"` + auth + `"}}}`, "localhost:5000/hello", ann, ""},
		"as a URL":                {`{"auths":{"https://ghcr.io/v2/":{"auth":"` + auth + `"}}}`, "ghcr.io/acme/hello", ann, ""},
		"Docker Hub":              {`{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth + `"}}}`, "index.docker.io/acme/hello", ann, ""},
		"Docker Hub's other name": {`{"auths":{"docker.io":{"auth":"` + auth + `"}}}`, "index.docker.io/acme/hello", ann, ""},
		"in fields":               {`{"auths":{"ghcr.io":{"username":"ann","password":"` + secret + `"}}}`, "ghcr.io/a", ann, ""},
		"identity token": {`{"auths":{"ghcr.io":{"auth":"YW5uOg==","identitytoken":"` + secret + `"}}}`,
			"ghcr.io/a", Login{Username: "ann", IdentityToken: secret}, ""},
		"registry token": {`{"auths":{"ghcr.io":{"registrytoken":"` + secret + `"}}}`, "ghcr.io/a", Login{RegistryToken: secret}, ""},
		"nearest (podman)": {`{"auths":{"ghcr.io":{"auth":"eDp5"},"ghcr.io/acme":{"auth":"` + auth +
			`"},"ghcr.io/acme/helloworld":{"auth":"eDp5"}}}`,
			"ghcr.io/acme/hello", ann, ""},
		"colon in password": {`{"auths":{"ghcr.io":{"auth":"YW5uOmE6Yg=="}}}`, "ghcr.io/a", Login{Username: "ann", Password: "a:b"}, ""},
		"inline beside a helper": {`{"credsStore":"desktop","auths":{"ghcr.io":{"auth":"` + auth + `"}}}`, "ghcr.io/a",
			ann, ""},
		"another registry": {`{"auths":{"quay.io":{"auth":"` + auth + `"}}}`, "ghcr.io/a", Login{Hint: "docker login ghcr.io"}, ""},
		"nothing":          {`{}`, "index.docker.io/acme/hello", Login{Hint: "docker login docker.io"}, ""},

		"helper": {`{"auths":{"ghcr.io":{}},"credsStore":"desktop"}`,
			"ghcr.io/a", Login{}, `--registry-config cmd:"echo ghcr.io | docker-credential-desktop get"`},
		"helper, Docker Hub": {`{"auths":{"https://index.docker.io/v1/":{}},"credsStore":"osxkeychain"}`, "index.docker.io/a/b", Login{},
			`the login to docker.io only by way of docker-credential-osxkeychain, which is on your machine: give instead ` +
				`--registry-config cmd:"echo https://index.docker.io/v1/ | docker-credential-osxkeychain get"`},
		"its own helper": {`{"credHelpers":{"eu.gcr.io":"gcloud"},"credsStore":"desktop"}`,
			"eu.gcr.io/a", Login{}, `docker-credential-gcloud get"`},
		"perhaps a helper": {`{"credsStore":"ecr-login"}`, "ghcr.io/a",
			Login{Hint: `docker login ghcr.io, then --registry-config cmd:"echo ghcr.io | docker-credential-ecr-login get"`}, ""},
		"hostile helper": {`{"credHelpers":{"ghcr.io":"x\"; rm -rf /"}}`, "ghcr.io/a", Login{}, "is no program's name"},
		"printed":        {`{"ServerURL":"https://ghcr.io","Username":"ann","Secret":"` + secret + `"}`, "ghcr.io/a", ann, ""},
		"printed, token": {`{"ServerURL":"ghcr.io","Username":"<token>","Secret":"` + secret + `"}`,
			"ghcr.io/a", Login{IdentityToken: secret}, ""},
		"printed, bare": {`{"Username":"ann","Secret":"` + secret + `"}`, "ghcr.io/a", ann, ""},
		"printed, another": {`{"ServerURL":"quay.io","Username":"ann","Secret":"` + secret + `"}`,
			"ghcr.io/a", Login{}, "another registry than ghcr.io"},
		"printed, half": {`{"ServerURL":"ghcr.io","Username":"ann"}`, "ghcr.io/a", Login{}, "only one of Username and Secret"},

		"no JSON":    {"credentials not found " + secret, "ghcr.io/a", Login{}, "is not the JSON that docker login stores"},
		"empty":      {"", "ghcr.io/a", Login{}, "is not the JSON"},
		"wrong type": {`{"auths":["` + secret + `"]}`, "ghcr.io/a", Login{}, "is not the JSON"},
		"no base64": {`{"auths":{"ghcr.io":{"auth":"` + secret + `"}}}`,
			"ghcr.io/a", Login{}, "auth of ghcr.io is not base64 of name:password: docker login ghcr.io"},
		"no colon":    {`{"auths":{"ghcr.io":{"auth":"YW5u"}}}`, "ghcr.io/a", Login{}, "not base64 of name:password"},
		"no password": {`{"auths":{"ghcr.io":{"auth":"YW5uOg=="}}}`, "ghcr.io/a", Login{}, "a name and no password"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Find(test.text, test.repository)
			if test.wrong != "" {
				said := fmt.Sprint(err)
				if err == nil || !strings.Contains(said, test.wrong) || strings.Contains(said, secret) || strings.Contains(said, "\n") {
					t.Errorf("error is %v, want one sentence with %q and no secret", err, test.wrong)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("%+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}
