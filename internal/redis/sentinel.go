// Package redis asks the Sentinels. They elect; the operator only asks and, for a planned change,
// asks them to fail over.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Sentinels are the Sentinels of one cluster.
type Sentinels struct {
	// Addresses are IPs of Sentinel pods; the first that answers counts.
	Addresses []string
	Password  string
}

// timeout of one question to one Sentinel.
const timeout = time.Second

// ErrNoAnswer means that no Sentinel answered.
var ErrNoAnswer = errors.New("no Sentinel answered")

// Master is the pod that is the master of a store.
func (s *Sentinels) Master(ctx context.Context, store plan.StoreName) (string, error) {
	var master string
	err := s.ask(ctx, func(ctx context.Context, client *redis.SentinelClient) error {
		address, err := client.GetMasterAddrByName(ctx, string(store)).Result()
		if err != nil {
			return fmt.Errorf("ask for master of %s: %w", store, err)
		}
		// Members announce their DNS names, which start with the name of the pod.
		master, _, _ = strings.Cut(address[0], ".")
		return nil
	})
	return master, err
}

// Failover asks for another master of a store; that one is already sought is no error.
func (s *Sentinels) Failover(ctx context.Context, store plan.StoreName) error {
	return s.ask(ctx, func(ctx context.Context, client *redis.SentinelClient) error {
		if err := client.Failover(ctx, string(store)).Err(); err != nil && !strings.HasPrefix(err.Error(), "INPROG ") {
			return fmt.Errorf("fail over %s: %w", store, err)
		}
		return nil
	})
}

func (s *Sentinels) ask(ctx context.Context, question func(context.Context, *redis.SentinelClient) error) error {
	failure := ErrNoAnswer
	for _, address := range s.Addresses {
		client := redis.NewSentinelClient(&redis.Options{
			Addr:        net.JoinHostPort(address, strconv.Itoa(int(plan.SentinelPort))),
			Password:    s.Password,
			DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout,
			MaxRetries: -1, PoolSize: 1,
		})
		bounded, cancel := context.WithTimeout(ctx, 2*timeout)
		err := question(bounded, client)
		cancel()
		if closeErr := client.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close connection: %w", closeErr)
		}
		if err == nil {
			return nil
		}
		failure = err
	}
	return failure
}

// Configure changes settings of a running store: names and values in turn.
func Configure(ctx context.Context, ip, password string, settings []string) error {
	client := redis.NewClient(&redis.Options{
		Addr:        net.JoinHostPort(ip, strconv.Itoa(int(plan.RedisPort))),
		Password:    password,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout,
		MaxRetries: -1, PoolSize: 1,
	})
	arguments := []any{"CONFIG", "SET"}
	for _, setting := range settings {
		arguments = append(arguments, setting)
	}
	bounded, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	err := client.Do(bounded, arguments...).Err()
	if err = errors.Join(err, client.Close()); err != nil {
		return fmt.Errorf("change settings of the store at %s: %w", ip, err)
	}
	return nil
}
