package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Open is Check: Redis needs no schema, and scripts are loaded when they are
// used first.
func (s *Store) Open(ctx context.Context) error { return s.Check(ctx) }

// Check says whether Redis can be reached, is a primary, evicts nothing and has
// the replicas of Config.Wait; in a cluster, each primary of it.
func (s *Store) Check(ctx context.Context) error {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		return failed("check", c.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
			return s.checkPrimary(ctx, c)
		}))
	}
	return failed("check", s.checkPrimary(ctx, s.client))
}

// checkPrimary asks INFO and not CONFIG GET, which managed services forbid.
func (s *Store) checkPrimary(ctx context.Context, c redis.Cmdable) error {
	replication, err := info(ctx, c, "replication", "role", "connected_slaves")
	if err != nil {
		return err
	}
	if role := replication[0]; role != "master" {
		return fmt.Errorf("this Redis is a %s, not a primary: it refuses writes and knows of denials late; connect to the primary, or by Sentinel", role)
	}
	replicas, err := strconv.Atoi(replication[1])
	if err != nil {
		return fmt.Errorf("INFO replication says %q of connected_slaves", replication[1])
	}
	if replicas < s.cfg.Wait {
		return fmt.Errorf("Config.Wait is %d, and this Redis has %d replicas: no denial could be acknowledged", s.cfg.Wait, replicas)
	}
	memory, err := info(ctx, c, "memory", "maxmemory_policy")
	if err != nil {
		return err
	}
	if policy := memory[0]; policy != "noeviction" && !s.cfg.InsecureAllowEviction {
		return fmt.Errorf("maxmemory-policy is %s: when memory is full, Redis would delete claims and revocations, and what they deny would be allowed; "+
			"set maxmemory-policy noeviction (or accept it with Config.InsecureAllowEviction)", policy)
	}
	return nil
}

// info is fields of a section of INFO.
func info(ctx context.Context, c redis.Cmdable, section string, fields ...string) ([]string, error) {
	text, err := c.Info(ctx, section).Result()
	if redis.IsPermissionError(err) {
		return nil, fmt.Errorf("the Redis user may not ask INFO, which says what is evicted (ACL SETUSER … +info): %w", err)
	}
	if err != nil {
		return nil, err
	}
	said := make(map[string]string)
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(line, ":")
		said[field] = strings.TrimSpace(value)
	}
	values := make([]string, len(fields))
	for i, field := range fields {
		value, ok := said[field]
		if !ok {
			return nil, errors.New("INFO " + section + " does not say " + field)
		}
		values[i] = value
	}
	return values, nil
}
