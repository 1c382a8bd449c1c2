package gitref

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// unpackTables reads references in git's format "reftable": the tables that tables.list
// names, of which a later one goes before an earlier.
func unpackTables(files map[string]string, dir string, refs map[string]string) {
	for name := range strings.FieldsSeq(files[dir+"tables.list"]) {
		unpackTable(files[dir+name], refs)
	}
}

// unpackTable reads one table, whose first blocks hold the references. A table that is
// damaged ends where it is.
func unpackTable(table string, refs map[string]string) {
	if len(table) < 28 || table[:4] != "REFT" {
		return
	}
	header, hash := 24, 20
	if table[4] == 2 { // It says which hash it has.
		header = 28
		if table[24:28] == "s256" {
			hash = 32
		}
	}
	size := int(number(table[5:8]))
	for at, start := 0, header; start+4 <= len(table) && table[start] == 'r'; start = at {
		end := at + int(number(table[start+1:start+4])) // counted from the table's beginning for the first block
		if end > len(table) || end < start+6 {
			return
		}
		block := table[start+4 : end]
		restarts := int(number(block[len(block)-2:]))
		if records := len(block) - 2 - 3*restarts; records >= 0 {
			unpackBlock(block[:records], hash, refs)
		}
		if at = end; size > 0 {
			at = start / size * size
			at += size
		}
	}
}

// number reads a big-endian number of up to eight bytes.
func number(bytes string) uint64 {
	var b [8]byte
	copy(b[8-len(bytes):], bytes)
	return binary.BigEndian.Uint64(b[:])
}

// unpackBlock reads the references of one block. Each says how much of its name it shares
// with the one before.
func unpackBlock(block string, hash int, refs map[string]string) {
	name := ""
	rest := reader{text: block}
	for rest.text != "" && !rest.bad {
		shared, suffix := rest.varint(), rest.varint()
		if shared > len(name) {
			return
		}
		name = name[:shared] + rest.take(suffix>>3)
		rest.varint() // update index
		value := ""
		switch suffix & 7 {
		case 0: // deleted
		case 1:
			value = hex.EncodeToString([]byte(rest.take(hash)))
		case 2: // an annotated tag, and what it is on
			rest.take(hash)
			value = hex.EncodeToString([]byte(rest.take(hash)))
		case 3:
			value = "ref: " + rest.take(rest.varint())
		default:
			return
		}
		if rest.bad {
			return
		}
		if refs[name] = value; value == "" {
			delete(refs, name)
		}
	}
}

// reader reads binary text from its beginning, until it is bad.
type reader struct {
	text string
	bad  bool
}

func (r *reader) take(n int) string {
	if n < 0 || n > len(r.text) {
		r.text, r.bad = "", true
		return ""
	}
	taken := r.text[:n]
	r.text = r.text[n:]
	return taken
}

func (r *reader) until(end byte) string {
	return strings.TrimSuffix(r.take(strings.IndexByte(r.text, end)+1), string(end))
}

func (r *reader) number(n int) int { return int(number(r.take(n))) }

// varint reads a number as git's offsets are written: seven bits a byte, and one more for
// each byte but the last.
func (r *reader) varint() int {
	value := 0
	for i := range 5 {
		c := r.take(1)
		if r.bad {
			return 0
		}
		if value = value<<7 | int(c[0]&0x7f); c[0]&0x80 == 0 {
			return value
		}
		if i < 4 {
			value++
		}
	}
	r.bad = true
	return 0
}
