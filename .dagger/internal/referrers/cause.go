package referrers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/plainhttp"
)

// Unanswered says why a registry was not asked at all, nil where it was, or where that is not known.
func Unanswered(err error) error {
	var stranger x509.UnknownAuthorityError
	switch {
	case errors.As(err, &stranger):
		return errors.New("the registry's certificate is of an authority that is not known here: give its CA with --registry-ca")
	case errors.Is(err, plainhttp.ErrRefused) && errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nothing listens there: is the registry up, and its address right?")
	case errors.Is(err, plainhttp.ErrRefused):
		return plainhttp.ErrRefused
	}
	return nil
}

// PushCause says in one sentence why the registry did not take the image.
func PushCause(repo name.Repository, err error) error {
	var refused *transport.Error
	if cause := Unanswered(err); cause != nil {
		return fmt.Errorf("cannot push to %s: %w", repo.Name(), cause)
	}
	if !errors.As(err, &refused) {
		return fmt.Errorf("cannot push to %s: %w", repo.Name(), foreign.Error(err))
	}
	switch refused.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("cannot push to %s: the registry does not accept the credentials (401): "+
			"check --username and --password, or log in again and give --registry-config", repo.Name())
	case http.StatusForbidden:
		return fmt.Errorf("cannot push to %s: the registry knows you but does not let you push there (403)", repo.Name())
	default:
		return fmt.Errorf("cannot push to %s: the registry answered %d: %w", repo.Name(), refused.StatusCode, foreign.Error(err))
	}
}

// AttachCause says why nothing could be attached to an image that is there already, where the registry has
// said it. It is nil where it wants a login, or knows no right to push, as for any push.
func AttachCause(repo name.Repository, err error) error {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return nil
	}
	tag := ""
	if refused.Request != nil && refused.Request.Method == http.MethodPut {
		tag = path.Base(refused.Request.URL.Path)
	}
	switch code := refused.StatusCode; {
	case code == http.StatusUnauthorized:
		return nil
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError && code != http.StatusNotImplemented:
		return fmt.Errorf("cannot attach to %s: the registry answered %d: no tag has moved; publish again, or without --sign-key "+
			"if it answers so each time", repo.Name(), code)
	case strings.HasPrefix(tag, "sha256-"):
		return fmt.Errorf("cannot attach to %s: it has no referrers API, and its tag %.20s… cannot be written (%d): "+
			"exempt sha256-* from immutable tags, or publish without --sign-key and --attach", repo.Name(), tag, code)
	case code == http.StatusForbidden:
		return nil
	default:
		return fmt.Errorf("cannot attach to %s: the registry refuses artifacts (%d): no tag has moved; publish without --sign-key and --attach, "+
			"or use one that knows OCI 1.1", repo.Name(), code)
	}
}

// ReadCause says why it is not known what is attached to an image. Nobody may take that for
// an image without a signature. login is what to do if the registry wants one.
func ReadCause(image name.Digest, err error, login string) error {
	var refused *transport.Error
	registry := image.Context().RegistryStr()
	switch {
	case errors.Is(err, ErrNoImage):
		return fmt.Errorf("%s is not in the registry: publish first, or compare the digest with what publish printed", image.Name())
	case Unanswered(err) != nil:
		return fmt.Errorf("cannot ask %s for signatures: %w", registry, Unanswered(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cannot ask %s for signatures: it does not answer in time: is it up, and is --registry the way there?", registry)
	case !errors.As(err, &refused):
		return fmt.Errorf("cannot ask %s for signatures: %w", registry, foreign.Error(err))
	case refused.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("cannot ask %s for signatures: 401: %s", registry, login)
	case refused.StatusCode == http.StatusForbidden:
		return fmt.Errorf("cannot ask %s for signatures: 403: it does not let you read %s", registry, image.Context().RepositoryStr())
	default:
		return fmt.Errorf("cannot ask %s for signatures: it answered %d: try again", registry, refused.StatusCode)
	}
}
