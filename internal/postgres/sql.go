package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	applicationName  = "fediflow-operator"
	connectTimeout   = 5 * time.Second
	statementTimeout = "30s"
	// A build waits for old transactions, and takes hours on a large table.
	noTimeout = "0"
	// lockTimeout bounds how long others queue behind us.
	lockTimeout = "5s"
)

// Target is where and as whom to connect.
type Target struct {
	// Host is the IP of the primary's pod, or an external server. Never a pooler.
	Host     string
	Port     int32
	Database string
	User     string
	Password string
	// TLS is what the server must show; nil for one of whose certificate nothing is known.
	TLS *tls.Config
}

// Session is one short-lived connection.
type Session struct{ connection *pgx.Conn }

// Connect opens a session in which no object of a user hides one of the system.
func Connect(ctx context.Context, target Target) (*Session, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d sslmode=prefer", keyword(target.Host), target.Port))
	if err != nil {
		return nil, fmt.Errorf("build connection to %s: %w", target.Host, err)
	}
	if target.TLS != nil {
		config.TLSConfig, config.Fallbacks = target.TLS, nil
	}
	config.Database, config.User, config.Password = target.Database, target.User, target.Password
	config.ConnectTimeout = connectTimeout
	config.RuntimeParams = map[string]string{
		"search_path":       "pg_catalog",
		"application_name":  applicationName,
		"statement_timeout": statementTimeout,
		"lock_timeout":      lockTimeout,
	}
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return &Session{connection}, nil
}

// keyword quotes a value of a connection string.
func keyword(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// Close ends the session. Whatever it was doing is over.
func (s *Session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = s.connection.Close(ctx) // there is nothing left to lose
}

// execute runs one statement outside of a transaction.
func (s *Session) execute(ctx context.Context, statement string) error {
	if _, err := s.connection.Exec(ctx, statement); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}

// collect makes a slice of the rows of a question.
func collect[T any](ctx context.Context, s *Session, question string, arguments ...any) ([]T, error) {
	rows, err := s.connection.Query(ctx, question, arguments...)
	if err != nil {
		return nil, fmt.Errorf("ask PostgreSQL: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("ask PostgreSQL: %w", err)
	}
	return all, nil
}

// Broken says whether the session has ended.
func (s *Session) Broken() bool { return s.connection.IsClosed() }
