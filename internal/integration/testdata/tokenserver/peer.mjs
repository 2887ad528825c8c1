// The peer of tokenserver_test.go: openid-client and oauth4webapi, unmodified, as a
// service in JavaScript uses them. It reads one request as JSON and answers it as JSON.
import { text } from 'node:stream/consumers'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { Agent, fetch } from 'undici'

const { issuer, ca, clients } = JSON.parse(await text(process.stdin))
const answers = []
for (const c of clients) {
  const dispatcher = new Agent({ connect: { ca, cert: c.cert, key: c.certKey } })
  const through = (url, options) => fetch(url, { ...options, dispatcher })
  for (const [library, use] of Object.entries({ 'openid-client': byOpenID, oauth4webapi: byOAuth4 })) {
    const answer = { library, method: c.method }
    try {
      Object.assign(answer, await use(c, through, c.refresh[library]))
    } catch (err) {
      answer.error = `${err.name} ${err.code} ${err.status} ${err.message} ${err.cause}`
    }
    answers.push(answer)
  }
  await dispatcher.close()
}
process.stdout.write(JSON.stringify(answers))

// authentication is by one of the methods, of either library.
async function authentication(library, c, secret) {
  switch (c.method) {
    case 'client_secret_basic': return library.ClientSecretBasic(secret)
    case 'client_secret_post': return library.ClientSecretPost(secret)
    case 'tls_client_auth': return library.TlsClientAuth()
  }
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', secret, algorithm, false, ['sign'])
  return library.PrivateKeyJwt({ key, kid: secret.kid })
}

async function byOpenID(c, through, refresh) {
  const configure = async (secret) => openid.discovery(new URL(issuer), c.id, undefined,
    await authentication(openid, c, secret), { algorithm: 'oauth2', [openid.customFetch]: through })
  const config = await configure(c.secret)
  const tokens = await openid.clientCredentialsGrant(config, { scope: 'orders:read' })
  const before = await openid.tokenIntrospection(config, tokens.access_token)
  await openid.tokenRevocation(config, tokens.access_token)
  const after = await openid.tokenIntrospection(config, tokens.access_token)
  const refreshed = await openid.refreshTokenGrant(config, refresh)
  const refused = await statusOf(async () => openid.clientCredentialsGrant(await configure(c.wrong)))
  const scope = await codeOf(() => openid.clientCredentialsGrant(config, { scope: 'admin' }))
  return { tokens, before, after, refreshed, refused, scope }
}

async function byOAuth4(c, through, refresh) {
  const options = { [oauth.customFetch]: through }
  const url = new URL(issuer)
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...options, algorithm: 'oauth2' }))
  const client = { client_id: c.id }
  const grant = async (secret, parameters) => oauth.processClientCredentialsResponse(as, client,
    await oauth.clientCredentialsGrantRequest(as, client, await authentication(oauth, c, secret), parameters, options))
  const tokens = await grant(c.secret, { scope: 'orders:read' })
  const auth = await authentication(oauth, c, c.secret)
  const introspect = async () => oauth.processIntrospectionResponse(as, client,
    await oauth.introspectionRequest(as, client, auth, tokens.access_token, options))
  const before = await introspect()
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, options))
  const after = await introspect()
  const refreshed = await oauth.processRefreshTokenResponse(as, client,
    await oauth.refreshTokenGrantRequest(as, client, auth, refresh, options))
  const refused = await statusOf(() => grant(c.wrong, {}))
  const scope = await codeOf(() => grant(c.secret, { scope: 'admin' }))
  return { tokens, before, after, refreshed, refused, scope }
}

// statusOf and codeOf are what the library makes of a refusal.
async function statusOf(ask) {
  return ask().then(() => 200, (err) => err.status ?? String(err))
}

async function codeOf(ask) {
  return ask().then(() => '', (err) => err.error ?? String(err))
}
