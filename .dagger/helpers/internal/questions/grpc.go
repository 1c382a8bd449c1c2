package questions

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Of gRPC's status codes, those that are told apart here.
const (
	grpcOK               = 0
	grpcNotFound         = 5
	grpcPermissionDenied = 7
	grpcUnimplemented    = 12
	grpcUnauthenticated  = 16
)

// untold are the codes of a service that is there but does not tell its health.
var untold = map[int]string{
	grpcNotFound:         "NOT_FOUND: it has no health of the whole",
	grpcPermissionDenied: "PERMISSION_DENIED: its health is not for everyone",
	grpcUnimplemented:    "UNIMPLEMENTED: it has no health service",
	grpcUnauthenticated:  "UNAUTHENTICATED: its health is not for everyone",
}

// httpCodes are the gRPC codes for an HTTP status of an answer that has no code.
var httpCodes = map[int]int{
	http.StatusUnauthorized: grpcUnauthenticated,
	http.StatusForbidden:    grpcPermissionDenied,
	http.StatusNotFound:     grpcUnimplemented,
}

// healthStates are the values of grpc.health.v1.HealthCheckResponse.ServingStatus.
var healthStates = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

// askHealth calls grpc.health.v1.Health/Check, without TLS or, where that fails, with it.
func askHealth(ctx context.Context, address string, s Service, l limits) Answer {
	const question = "grpc.health.v1.Health/Check"
	ctx, cancel := l.within(ctx)
	defer cancel()
	start := time.Now()
	var h2c, h2 line
	h2c.host, h2.host, h2.tls = s.Host, s.Host, true
	h2c.protocols.SetUnencryptedHTTP2(true)
	h2.protocols.SetHTTP2(true)

	used := &h2c
	resp, err := h2c.check(ctx, address)
	if err != nil && ctx.Err() == nil {
		if secure, tlsErr := h2.check(ctx, address); tlsErr == nil { //nolint:bodyclose // closed below, as resp
			resp, err, used = secure, nil, &h2
		}
	}
	if err != nil {
		return noAnswer(question, err)
	}
	defer resp.Body.Close()
	message, err := used.read(ctx, resp)
	if err != nil {
		return noAnswer(question, err)
	}
	answer, problems := judgeHealth(resp, message)
	return Answer{Question: question, Answer: answer + ", " + milliseconds(time.Since(start)), Problems: problems}
}

// check sends the call; its message, of a request for service "", is empty.
func (l *line) check(ctx context.Context, address string) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	return l.send(ctx, http.MethodPost, address, "/grpc.health.v1.Health/Check", header, bytes.NewReader(make([]byte, 5)))
}

// judgeHealth says what an answer that was read to its end means, and what is wrong with it.
func judgeHealth(resp *http.Response, message []byte) (string, []string) {
	// An answer without message has its code in the head.
	text := cmp.Or(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status"))
	code, err := strconv.Atoi(text)
	if err != nil {
		known := false
		if code, known = httpCodes[resp.StatusCode]; !known {
			answer := fmt.Sprintf("HTTP status %d without a gRPC status", resp.StatusCode)
			return answer, []string{answer + ": the port speaks another protocol than gRPC; " + NameThePort}
		}
	}
	if told, ok := untold[code]; ok {
		return told, nil
	}
	if code != grpcOK {
		words := cmp.Or(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message"))
		return fmt.Sprintf("gRPC status %d", code), []string{fmt.Sprintf("gRPC status %d, %s", code, excerpt([]byte(words)))}
	}
	state, err := healthState(message)
	if err != nil {
		return "an answer that is none", []string{fmt.Sprintf("%v: %s", err, excerpt(message))}
	}
	name := fmt.Sprintf("status %d", state)
	if state < uint64(len(healthStates)) {
		name = healthStates[state]
	}
	if name != "SERVING" {
		return name, []string{"its health is " + name + ", expected SERVING"}
	}
	return name, nil
}

var errNoHealth = errors.New("the message is no HealthCheckResponse")

// healthState reads field 1 of a HealthCheckResponse, a varint, behind the five bytes
// that gRPC puts before a message: whether it is compressed, and its length.
func healthState(message []byte) (uint64, error) {
	if len(message) < 5 || message[0] != 0 || uint64(binary.BigEndian.Uint32(message[1:])) != uint64(len(message)-5) {
		return 0, errNoHealth
	}
	fields := message[5:]
	if len(fields) == 0 {
		return 0, nil // protobuf leaves zero out
	}
	state, n := binary.Uvarint(fields[1:])
	if fields[0] != 1<<3 || n <= 0 {
		return 0, errNoHealth
	}
	return state, nil
}
