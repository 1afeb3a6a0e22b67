package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fediflow/fediflow-operator/internal/database"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Do takes one step. The password is used where the step sets one; it never leaves this process.
func (s *Session) Do(ctx context.Context, step database.Step, password string) error {
	var verifier Verifier
	if step.SetPassword {
		made, err := NewVerifier(password)
		if err != nil {
			return err
		}
		verifier = made
	}
	all, err := statements(step, verifier)
	if err != nil {
		return err
	}
	switch step.Action {
	case database.CreateRole, database.AlterRole:
		return s.together(ctx, all)
	case database.CreateExtension:
		return s.execute(ctx, all[0])
	case database.CreateIndex, database.DropIndex:
	}
	// These two cannot run in a transaction. Only a drop is bounded: others would queue behind it.
	if step.Action == database.CreateIndex {
		for _, setting := range []string{"statement_timeout", "lock_timeout"} {
			if err := s.execute(ctx, "SET "+quote(setting)+" = "+noTimeout); err != nil {
				return err
			}
		}
	}
	return s.execute(ctx, all[0])
}

// together runs statements in one transaction: a role without its password or its mark is never seen.
func (s *Session) together(ctx context.Context, all []string) error {
	err := pgx.BeginFunc(ctx, s.connection, func(transaction pgx.Tx) error {
		for _, statement := range all {
			if _, err := transaction.Exec(ctx, statement); err != nil {
				return fmt.Errorf("PostgreSQL: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change role: %w", err)
	}
	return nil
}

// statements are the SQL of a step.
func statements(step database.Step, verifier Verifier) ([]string, error) {
	switch step.Action {
	case database.CreateExtension:
		return []string{"CREATE EXTENSION IF NOT EXISTS " + quote(step.Extension) + " WITH SCHEMA public"}, nil
	case database.CreateIndex:
		return []string{createIndex(step.Index)}, nil
	case database.DropIndex:
		return []string{"DROP INDEX CONCURRENTLY IF EXISTS " + quote(step.Index.Schema, step.Index.Name)}, nil
	case database.CreateRole, database.AlterRole:
	}
	role, err := roleStatement(step, verifier)
	if err != nil {
		return nil, err
	}
	all := []string{role}
	if step.Action == database.CreateRole {
		all = append(all, "COMMENT ON ROLE "+quote(step.Role.Name)+" IS '"+roleComment+"'")
	}
	for _, group := range step.Revoke {
		all = append(all, "REVOKE "+quote(group)+" FROM "+quote(step.Role.Name))
	}
	for _, group := range step.Grant {
		all = append(all, "GRANT "+quote(group)+" TO "+quote(step.Role.Name))
	}
	return all, nil
}

// roleStatement names no attribute that the operator's role may not name.
func roleStatement(step database.Step, verifier Verifier) (string, error) {
	verb, inherit := "ALTER", "INHERIT"
	if step.Action == database.CreateRole {
		verb = "CREATE"
	}
	if !step.Role.Inherit {
		inherit = "NOINHERIT"
	}
	statement := fmt.Sprintf("%s ROLE %s LOGIN %s CONNECTION LIMIT %d", verb, quote(step.Role.Name), inherit, step.Role.ConnectionLimit)
	if !step.SetPassword {
		return statement, nil
	}
	literal, err := verifier.literal()
	return statement + " PASSWORD " + literal, err
}

func createIndex(index plan.IndexPlan) string {
	unique := ""
	if index.Unique {
		unique = "UNIQUE "
	}
	columns := make([]string, 0, len(index.Columns))
	for _, column := range index.Columns {
		text := quote(column.Name)
		if column.Descending {
			text += " DESC"
		}
		columns = append(columns, text)
	}
	return fmt.Sprintf("CREATE %sINDEX CONCURRENTLY %s ON %s USING %s (%s)", unique, quote(index.Name),
		quote(index.Schema, index.Table), quote(string(index.Method)), strings.Join(columns, ", "))
}

// quote is the one place where names become SQL.
func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }
