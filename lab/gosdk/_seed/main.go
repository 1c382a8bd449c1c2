// Command seed imports what the code generated for a Dagger module imports.
package main

import (
	_ "context"
	_ "encoding/json"
	_ "errors"
	_ "fmt"
	_ "log/slog"
	_ "net"
	_ "net/http"
	_ "os"
	_ "reflect"
	_ "sort"
	_ "strconv"
	_ "strings"

	_ "github.com/Khan/genqlient/graphql"
	_ "github.com/dagger/otel-go"
	_ "github.com/dagger/querybuilder"
	_ "github.com/vektah/gqlparser/v2/gqlerror"
	_ "go.opentelemetry.io/otel"
	_ "go.opentelemetry.io/otel/propagation"
	_ "go.opentelemetry.io/otel/sdk/resource"
	_ "go.opentelemetry.io/otel/semconv/v1.40.0"
	_ "go.opentelemetry.io/otel/trace"
)

func main() {}
