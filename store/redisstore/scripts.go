package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"time"

	"github.com/redis/go-redis/v9"
)

// The scripts say in comments what they are given. The time is the caller's, but
// in those that have scripts/clock.lua or limits.lua.
var (
	//go:embed scripts/common.lua
	common string
	//go:embed scripts/create_api_key.lua
	createAPIKey string
	//go:embed scripts/read_api_key.lua
	readAPIKey string
	//go:embed scripts/list_api_keys.lua
	listAPIKeys string
	//go:embed scripts/rotate_api_key.lua
	rotateAPIKey string
	//go:embed scripts/revoke_api_key.lua
	revokeAPIKey string
	//go:embed scripts/revoke_api_keys_of.lua
	revokeAPIKeysOf string
	//go:embed scripts/record_api_key_uses.lua
	recordAPIKeyUses string
	//go:embed scripts/claim_expiring_api_keys.lua
	claimExpiringAPIKeys string
	//go:embed scripts/claim_once.lua
	claimOnce string
	//go:embed scripts/clock.lua
	clock string
	//go:embed scripts/families.lua
	families string
	//go:embed scripts/create_family.lua
	createFamily string
	//go:embed scripts/advance_family.lua
	advanceFamily string
	//go:embed scripts/revoke_family.lua
	revokeFamily string
	//go:embed scripts/revoke_token.lua
	revokeToken string
	//go:embed scripts/revoke_tokens_of.lua
	revokeTokensOf string
	//go:embed scripts/token_version.lua
	tokenVersion string
	//go:embed scripts/add_signing_key.lua
	addSigningKey string
	//go:embed scripts/expire_signing_key.lua
	expireSigningKey string
	//go:embed scripts/replay.lua
	replay string
	//go:embed scripts/sessions.lua
	sessions string
	//go:embed scripts/create_session.lua
	createSession string
	//go:embed scripts/rotate_session.lua
	rotateSession string
	//go:embed scripts/update_session_data.lua
	updateSessionData string
	//go:embed scripts/touch_session.lua
	touchSession string
	//go:embed scripts/delete_session.lua
	deleteSession string
	//go:embed scripts/revoke_session.lua
	revokeSession string
	//go:embed scripts/revoke_sessions_of.lua
	revokeSessionsOf string
	//go:embed scripts/list_sessions.lua
	listSessions string
	//go:embed scripts/create_password.lua
	createPassword string
	//go:embed scripts/password_by_subject.lua
	passwordBySubject string
	//go:embed scripts/replace_password_hash.lua
	replacePasswordHash string
	//go:embed scripts/delete_password.lua
	deletePassword string
	//go:embed scripts/create_one_time.lua
	createOneTime string
	//go:embed scripts/claim_one_time.lua
	claimOneTime string
	//go:embed scripts/revoke_one_time_of.lua
	revokeOneTimeOf string
	//go:embed scripts/limits.lua
	limits string
	//go:embed scripts/take_limits.lua
	takeLimits string
	//go:embed scripts/give_back_limits.lua
	giveBackLimits string
	//go:embed scripts/attempts.lua
	attempts string
	//go:embed scripts/reserve_attempts.lua
	reserveAttempts string
	//go:embed scripts/settle_attempts.lua
	settleAttempts string
	//go:embed scripts/unlock_attempts.lua
	unlockAttempts string
	//go:embed scripts/guesses.lua
	guesses string
	//go:embed scripts/totps.lua
	totps string
	//go:embed scripts/begin_totp.lua
	beginTOTP string
	//go:embed scripts/confirm_totp.lua
	confirmTOTP string
	//go:embed scripts/reserve_totp.lua
	reserveTOTP string
	//go:embed scripts/accept_totp.lua
	acceptTOTP string
	//go:embed scripts/take_recovery_code.lua
	takeRecoveryCode string
	//go:embed scripts/replace_recovery_codes.lua
	replaceRecoveryCodes string
	//go:embed scripts/forget_totp_devices.lua
	forgetTOTPDevices string
	//go:embed scripts/delete_totp.lua
	deleteTOTP string
	//go:embed scripts/create_oauth_client.lua
	createOAuthClient string
	//go:embed scripts/update_oauth_client.lua
	updateOAuthClient string
	//go:embed scripts/rotate_oauth_secret.lua
	rotateOAuthSecret string
	//go:embed scripts/disable_oauth_client.lua
	disableOAuthClient string
	//go:embed scripts/list_oauth_clients.lua
	listOAuthClients string
	//go:embed scripts/put_provider_token.lua
	putProviderToken string
	//go:embed scripts/replace_provider_token.lua
	replaceProviderToken string
	//go:embed scripts/delete_provider_tokens.lua
	deleteProviderTokens string

	createAPIKeyScript         = redis.NewScript(common + createAPIKey)
	readAPIKeyScript           = redis.NewScript(common + readAPIKey)
	listAPIKeysScript          = redis.NewScript(common + listAPIKeys)
	rotateAPIKeyScript         = redis.NewScript(common + rotateAPIKey)
	revokeAPIKeyScript         = redis.NewScript(common + revokeAPIKey)
	revokeAPIKeysOfScript      = redis.NewScript(common + revokeAPIKeysOf)
	recordAPIKeyUsesScript     = redis.NewScript(common + recordAPIKeyUses)
	claimExpiringAPIKeysScript = redis.NewScript(common + claimExpiringAPIKeys)
	claimOnceScript            = redis.NewScript(claimOnce)
	createFamilyScript         = redis.NewScript(clock + families + createFamily)
	advanceFamilyScript        = redis.NewScript(clock + families + advanceFamily)
	revokeFamilyScript         = redis.NewScript(families + revokeFamily)
	revokeTokenScript          = redis.NewScript(clock + revokeToken)
	revokeTokensOfScript       = redis.NewScript(clock + revokeTokensOf)
	tokenVersionScript         = redis.NewScript(tokenVersion)
	addSigningKeyScript        = redis.NewScript(clock + addSigningKey)
	expireSigningKeyScript     = redis.NewScript(expireSigningKey)
	createSessionScript        = redis.NewScript(clock + replay + sessions + createSession)
	rotateSessionScript        = redis.NewScript(clock + replay + sessions + rotateSession)
	updateSessionDataScript    = redis.NewScript(replay + sessions + updateSessionData)
	touchSessionScript         = redis.NewScript(clock + replay + sessions + touchSession)
	deleteSessionScript        = redis.NewScript(replay + sessions + deleteSession)
	revokeSessionScript        = redis.NewScript(replay + sessions + revokeSession)
	revokeSessionsOfScript     = redis.NewScript(clock + replay + sessions + revokeSessionsOf)
	listSessionsScript         = redis.NewScript(replay + sessions + listSessions)
	createPasswordScript       = redis.NewScript(replay + createPassword)
	passwordBySubjectScript    = redis.NewScript(passwordBySubject)
	replacePasswordHashScript  = redis.NewScript(replay + replacePasswordHash)
	deletePasswordScript       = redis.NewScript(replay + deletePassword)
	createOneTimeScript        = redis.NewScript(clock + replay + createOneTime)
	claimOneTimeScript         = redis.NewScript(replay + claimOneTime)
	revokeOneTimeOfScript      = redis.NewScript(replay + revokeOneTimeOf)
	takeLimitsScript           = redis.NewScript(limits + takeLimits)
	giveBackLimitsScript       = redis.NewScript(limits + giveBackLimits)
	reserveAttemptsScript      = redis.NewScript(clock + attempts + reserveAttempts)
	settleAttemptsScript       = redis.NewScript(clock + attempts + settleAttempts)
	unlockAttemptsScript       = redis.NewScript(unlockAttempts)
	beginTOTPScript            = redis.NewScript(replay + totps + beginTOTP)
	confirmTOTPScript          = redis.NewScript(replay + totps + confirmTOTP)
	reserveTOTPScript          = redis.NewScript(clock + replay + totps + guesses + reserveTOTP)
	acceptTOTPScript           = redis.NewScript(replay + totps + acceptTOTP)
	takeRecoveryCodeScript     = redis.NewScript(replay + totps + takeRecoveryCode)
	replaceRecoveryCodesScript = redis.NewScript(replay + totps + replaceRecoveryCodes)
	forgetTOTPDevicesScript    = redis.NewScript(replay + totps + forgetTOTPDevices)
	deleteTOTPScript           = redis.NewScript(replay + totps + deleteTOTP)
	createOAuthClientScript    = redis.NewScript(replay + createOAuthClient)
	updateOAuthClientScript    = redis.NewScript(replay + updateOAuthClient)
	rotateOAuthSecretScript    = redis.NewScript(replay + rotateOAuthSecret)
	disableOAuthClientScript   = redis.NewScript(replay + disableOAuthClient)
	listOAuthClientsScript     = redis.NewScript(listOAuthClients)
	putProviderTokenScript     = redis.NewScript(replay + putProviderToken)
	replaceProviderTokenScript = redis.NewScript(replaceProviderToken)
	deleteProviderTokensScript = redis.NewScript(replay + deleteProviderTokens)
)

const (
	// callTimeout ends the replays of calls whose answers are kept for
	// callMemory only. go-redis looks at it before each attempt, so that the
	// difference is for an attempt on its way.
	callTimeout = time.Minute
	callMemory  = 3 * time.Minute
)

// newCall names one call, so that a script knows its replay. go-redis sends a
// command up to MaxRetries times more when the connection breaks or times out,
// though the server may have run it.
func newCall() string { return rand.Text() }

// sender runs a script: run does, and deny.
type sender func(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error)

func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error) {
	return script.Run(ctx, s.client, keys, args...).Result()
}

// remembered runs a script that keeps its answer for the replays of the call, of
// which args then say in front what scripts/replay.lua needs.
func remembered(ctx context.Context, send sender, script *redis.Script, keys []string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return send(ctx, script, keys, append([]any{newCall(), callMemory.Milliseconds()}, args...)...)
}
