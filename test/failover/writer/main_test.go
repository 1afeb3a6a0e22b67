package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fediflow/fediflow-operator/test/failover/history"
)

func TestOnlyWhatIsCertainlyNotCommittedIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want history.Outcome
	}{
		"an error of the statement":         {&pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "25006"}, history.Refused},
		"the death of the server":           {&pgconn.PgError{SeverityUnlocalized: "FATAL", Code: "57P01"}, history.Unknown},
		"a connection that broke":           {net.ErrClosed, history.Unknown},
		"a statement that took too long":    {context.DeadlineExceeded, history.Unknown},
		"an error that nobody has heard of": {errors.New("?"), history.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(test.err); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestADatabaseThatIsNotThereIsRecordedAsSuch(t *testing.T) {
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	l := load{run: "test", path: history.Direct, address: address, writers: 2, pause: time.Millisecond}
	config, err := l.config()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var output bytes.Buffer
	recorded, err := l.write(ctx, config, &output)
	if err != nil {
		t.Fatal(err)
	}
	statements, err := history.Read(&output)
	if err != nil {
		t.Fatal(err)
	}
	writers := map[int]bool{}
	for _, statement := range statements {
		writers[statement.Writer] = true
		if statement.Outcome != history.NotConnected || statement.Number != 0 || statement.Error == "" || statement.End < statement.Start {
			t.Errorf("recorded as %+v", statement)
		}
	}
	if len(writers) != 2 || len(statements) < 4 || recorded[history.NotConnected] != len(statements) {
		t.Errorf("of two clients, %d made %d attempts, and %v is said", len(writers), len(statements), recorded)
	}
}
