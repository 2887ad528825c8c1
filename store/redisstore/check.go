package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Open is Check: Redis needs no schema, and scripts are loaded when they are
// used first.
func (s *Store) Open(ctx context.Context) error { return s.Check(ctx) }

// Check says whether Redis can be reached, is a primary and evicts nothing; in
// a cluster, each primary of it.
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
	role, err := info(ctx, c, "replication", "role")
	if err != nil {
		return err
	}
	if role != "master" {
		return fmt.Errorf("this Redis is a %s, not a primary: it refuses writes and knows of denials late; connect to the primary, or by Sentinel", role)
	}
	policy, err := info(ctx, c, "memory", "maxmemory_policy")
	if err != nil {
		return err
	}
	if policy != "noeviction" && !s.cfg.InsecureAllowEviction {
		return fmt.Errorf("maxmemory-policy is %s: when memory is full, Redis would delete claims and revocations, and what they deny would be allowed; "+
			"set maxmemory-policy noeviction (or accept it with Config.InsecureAllowEviction)", policy)
	}
	return nil
}

// info is one field of a section of INFO.
func info(ctx context.Context, c redis.Cmdable, section, field string) (string, error) {
	text, err := c.Info(ctx, section).Result()
	if redis.IsPermissionError(err) {
		return "", fmt.Errorf("the Redis user may not ask INFO, which says what is evicted (ACL SETUSER … +info): %w", err)
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("INFO " + section + " does not say " + field)
}
