// Package history decides from what the clients of a database saw, and from what its table holds in
// the end, what a fault did to them. It reads no clock and talks to nobody.
package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Outcome is what a client knows about a statement.
type Outcome string

// The outcomes.
const (
	// Acknowledged: the server said that the row is committed.
	Acknowledged Outcome = "ack"
	// Refused: the row is certainly not committed.
	Refused Outcome = "refused"
	// Unknown: the connection broke, or time ran out, before an answer came.
	Unknown Outcome = "unknown"
	// NotConnected: no statement was sent, because there was no connection.
	NotConnected Outcome = "connect"
)

// Path is the way that a client takes to the database.
type Path string

// The paths.
const (
	// Pooled: through the write pooler.
	Pooled Path = "pooled"
	// Direct: straight to the write Service.
	Direct Path = "direct"
	// Session: straight to the pod that was primary before the fault, with commits that wait for no
	// standby. Its rows may be lost; it shows how long a lost primary goes on committing.
	Session Path = "session"
)

// Row identifies a written row. A client never writes one number twice.
type Row struct {
	Path   Path  `json:"path"`
	Writer int   `json:"writer"`
	Number int64 `json:"number"`
}

// Statement is one insert, or one attempt to connect, as its client saw it.
type Statement struct {
	Row
	// Start and End are microseconds since 1970.
	Start   int64   `json:"start"`
	End     int64   `json:"end"`
	Outcome Outcome `json:"outcome"`
	// Server is the address of the server that acknowledged.
	Server string `json:"server,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Read reads statements, one a line. A last line that was cut off by the death of its writer is left out.
func Read(r io.Reader) ([]Statement, error) {
	var statements []Statement
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return statements, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		var statement Statement
		if err := json.Unmarshal(line, &statement); err != nil {
			return nil, fmt.Errorf("read history: %w in %q", err, line)
		}
		statements = append(statements, statement)
	}
}

// microseconds is a time as histories hold it.
func microseconds(at time.Time) int64 { return at.UnixMicro() }

func duration(micros int64) time.Duration { return time.Duration(micros) * time.Microsecond }
