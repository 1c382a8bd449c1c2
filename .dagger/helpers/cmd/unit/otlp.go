package main

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// span is what OpenTelemetry calls a piece of work.
type span struct {
	trace, id, parent []byte
	name              string
	began, ended      time.Time // ended is zero while it lasts
	failed            bool
	texts             map[string]string
	flags             []string // attributes that are true
}

// exportRequest is an ExportTraceServiceRequest of OTLP, as protobuf has it. It is written
// here by hand since the packages that do it are more to compile than this whole program.
func exportRequest(service string, all []span) []byte {
	var scope []byte
	scope = field(scope, 1, field(nil, 1, []byte(service)))
	for _, s := range all {
		scope = field(scope, 2, s.encode())
	}
	resource := field(nil, 1, attribute("service.name", text(service)))
	return field(nil, 1, field(field(nil, 1, resource), 2, scope))
}

func (s span) encode() []byte {
	b := field(nil, 1, s.trace)
	b = field(b, 2, s.id)
	b = field(b, 4, s.parent)
	b = field(b, 5, []byte(s.name))
	b = number(b, 6, 1) // internal
	b = instant(b, 7, s.began)
	b = instant(b, 8, s.ended)
	for key, value := range s.texts {
		b = field(b, 9, attribute(key, text(value)))
	}
	for _, key := range s.flags {
		b = field(b, 9, attribute(key, number(nil, 2, 1)))
	}
	if s.ended.IsZero() {
		return b
	}
	status := uint64(1) // ok
	if s.failed {
		status = 2 // error
	}
	return field(b, 15, number(nil, 3, status))
}

func attribute(key string, value []byte) []byte {
	return field(field(nil, 1, []byte(key)), 2, value)
}

func text(value string) []byte { return field(nil, 1, []byte(value)) }

// field appends a field that has a length: text, bytes or a message.
func field(b []byte, n uint64, value []byte) []byte {
	b = binary.AppendUvarint(b, n<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func number(b []byte, n, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, n<<3), value)
}

// instant appends nanoseconds since 1970, or 0.
func instant(b []byte, n uint64, at time.Time) []byte {
	var nanos uint64
	if !at.IsZero() {
		nanos = uint64(at.UnixNano())
	}
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(b, n<<3|1), nanos)
}

// parseTraceparent reads the W3C header: version, trace, parent and flags, with dashes between.
func parseTraceparent(header string) (trace, parent []byte) {
	if len(header) != len("00-00000000000000000000000000000000-0000000000000000-00") {
		return nil, nil
	}
	trace, traceErr := hex.DecodeString(header[3:35])
	parent, parentErr := hex.DecodeString(header[36:52])
	if traceErr != nil || parentErr != nil {
		return nil, nil
	}
	return trace, parent
}
