// Command writer writes numbered rows to a database while somebody breaks it, and says of each what
// became of it: one line of JSON a statement on standard output, and a summary on standard error when
// it is told to stop. User, password and database come from PGUSER, PGPASSWORD and PGDATABASE.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fediflow/fediflow-operator/test/failover/history"
)

const (
	connectTimeout   = 2 * time.Second
	statementTimeout = 20 * time.Second
	retryDelay       = 20 * time.Millisecond

	createTable = `create table if not exists written (run text, path text, writer int, number bigint)`
	insert      = `insert into written values ($1, $2, $3, $4) returning coalesce(host(inet_server_addr()), '')`
)

// load is what to write, and where.
type load struct {
	run     string
	path    history.Path
	address string
	writers int
	pause   time.Duration
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "writer:", err)
		os.Exit(1)
	}
}

func run() error {
	var l load
	var path string
	flag.StringVar(&l.run, "run", "", "name of the run, which keeps its rows apart from others'")
	flag.StringVar(&path, "path", string(history.Direct), "how the address leads to the database: pooled, direct or session")
	flag.StringVar(&l.address, "address", "", "host:port of the database")
	flag.IntVar(&l.writers, "writers", 1, "number of clients, each with a connection of its own; none: create the table")
	flag.DurationVar(&l.pause, "pause", 5*time.Millisecond, "rest of a client between two statements")
	flag.Parse()
	l.path = history.Path(path)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := l.config()
	if err != nil {
		return err
	}
	if l.writers == 0 {
		return create(ctx, config)
	}
	recorded, err := l.write(ctx, config, os.Stdout)
	fmt.Fprintf(os.Stderr, "%s: %v\n", l.path, recorded)
	return err
}

func create(ctx context.Context, config *pgx.ConnConfig) error {
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	defer connection.Close(ctx)
	if _, err := connection.Exec(ctx, createTable); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	return nil
}

// config reads the environment as libpq does. Poolers pass on no startup parameters and keep no
// prepared statements for us.
func (l load) config() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig("postgres://" + l.address + "/")
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	config.ConnectTimeout = connectTimeout
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if l.path == history.Session {
		config.RuntimeParams["synchronous_commit"] = "local"
	}
	return config, nil
}

// write runs all clients until the context ends, and returns how many statements had which outcome.
func (l load) write(ctx context.Context, config *pgx.ConnConfig, output io.Writer) (map[history.Outcome]int, error) {
	statements := make(chan history.Statement, 1000)
	var clients sync.WaitGroup
	for number := range l.writers {
		clients.Go(func() {
			c := client{load: l, config: config, row: history.Row{Path: l.path, Writer: number}}
			c.run(ctx, statements)
		})
	}
	go func() {
		clients.Wait()
		close(statements)
	}()
	return record(statements, output)
}

// record writes statements down, and everything it has whenever there is nothing more to write.
func record(statements <-chan history.Statement, output io.Writer) (map[history.Outcome]int, error) {
	recorded := map[history.Outcome]int{}
	buffer := bufio.NewWriter(output)
	lines := json.NewEncoder(buffer)
	for statement := range statements {
		recorded[statement.Outcome]++
		if err := lines.Encode(statement); err != nil {
			return recorded, fmt.Errorf("write history: %w", err)
		}
		if len(statements) > 0 {
			continue
		}
		if err := buffer.Flush(); err != nil {
			return recorded, fmt.Errorf("write history: %w", err)
		}
	}
	return recorded, nil
}

// client keeps one connection open and opens another one when it breaks.
type client struct {
	load       load
	config     *pgx.ConnConfig
	row        history.Row
	connection *pgx.Conn
}

func (c *client) run(ctx context.Context, statements chan<- history.Statement) {
	defer func() { c.close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		rest := c.load.pause
		statement := c.step(ctx)
		if statement.Outcome != history.Acknowledged {
			rest = max(rest, retryDelay)
		}
		statements <- statement
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// step writes the next row, on a new connection if there is none. A statement that is under way when
// the program is told to stop is waited for, so that its outcome is known.
func (c *client) step(ctx context.Context) history.Statement {
	ctx = context.WithoutCancel(ctx)
	began := time.Now()
	if c.connection == nil {
		connection, err := pgx.ConnectConfig(ctx, c.config)
		if err != nil {
			return c.statement(history.Row{Path: c.row.Path, Writer: c.row.Writer}, began, history.NotConnected, err)
		}
		c.connection = connection
	}
	c.row.Number++
	limited, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var server string
	err := c.connection.QueryRow(limited, insert, c.load.run, string(c.row.Path), c.row.Writer, c.row.Number).Scan(&server)
	if err != nil {
		c.close(ctx)
		return c.statement(c.row, began, outcome(err), err)
	}
	statement := c.statement(c.row, began, history.Acknowledged, nil)
	statement.Server = server
	return statement
}

func (*client) statement(row history.Row, began time.Time, outcome history.Outcome, err error) history.Statement {
	statement := history.Statement{Row: row, Start: began.UnixMicro(), End: time.Now().UnixMicro(), Outcome: outcome}
	if err != nil {
		statement.Error = err.Error()
	}
	return statement
}

// outcome tells a statement that was certainly not committed from one that nobody knows about. An
// ERROR ends the transaction; a FATAL may also come from a server that is dying after the commit, or
// from a pooler whose server broke in the middle.
func outcome(err error) history.Outcome {
	var answer *pgconn.PgError
	if pgconn.SafeToRetry(err) || (errors.As(err, &answer) && answer.SeverityUnlocalized == "ERROR") {
		return history.Refused
	}
	return history.Unknown
}

func (c *client) close(ctx context.Context) {
	if c.connection == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = c.connection.Close(ctx) // it may be broken already
	c.connection = nil
}
