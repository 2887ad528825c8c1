// The peer of oidc_test.go: package oidc-provider, with plain pages for who you
// are and whether you agree. Its argument is {"port", "client"} as JSON. POST
// /test/keys puts a new signing key first; /test/keys?only forgets the others.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import Provider from 'oidc-provider'

// Memory is shared by all providers of this process.
class Memory {
  static all = new Map()
  constructor(model) { this.key = (id) => `${model}:${id}` }
  async upsert(id, payload) { Memory.all.set(this.key(id), payload) }
  async find(id) { return Memory.all.get(this.key(id)) }
  async findByUid(uid) { return [...Memory.all.values()].find((p) => p.kind === 'Session' && p.uid === uid) }
  async consume(id) { (await this.find(id)).consumed = Math.floor(Date.now() / 1000) }
  async destroy(id) { Memory.all.delete(this.key(id)) }
  async revokeByGrantId(grantId) {
    for (const [key, p] of Memory.all) {
      if (p.grantId === grantId) Memory.all.delete(key)
    }
  }
}

const { port, client } = JSON.parse(process.argv[2])
const issuer = `http://127.0.0.1:${port}`
const secrets = [randomUUID()]
let keys = [newKey()]
let provider = newProvider()

createServer((req, res) => answer(req, res).catch((err) => {
  console.error(err)
  res.writeHead(500).end(String(err))
})).listen(port, '127.0.0.1')

function newKey() {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  return { ...jwk, kid: randomUUID(), use: 'sig', alg: 'RS256' }
}

// newProvider signs by the first key.
function newProvider() {
  const p = new Provider(issuer, {
    adapter: Memory,
    clients: [{ grant_types: ['authorization_code', 'refresh_token'], ...client }],
    jwks: { keys },
    cookies: { keys: secrets },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, name: 'Ada Lovelace', email: `${sub}@example.com`, email_verified: true }),
    }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    pkce: { required: () => true },
    ttl: { AccessToken: 60, IdToken: 3600 }, // seconds
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => page(ctx.res, 'logout', `${form}<button form=op.logoutForm name=logout value=yes>Log out</button>`, ctx),
      },
    },
  })
  p.on('server_error', (_, err) => console.error(err))
  return p
}

async function answer(req, res) {
  const { pathname, search } = new URL(req.url, issuer)
  if (pathname === '/test/keys') {
    keys = search === '?only' ? [newKey()] : [newKey(), ...keys]
    provider = newProvider()
    return res.end(keys[0].kid)
  }
  if (!pathname.startsWith('/interaction/')) {
    return provider.callback()(req, res)
  }
  const { prompt, params, grantId, session } = await provider.interactionDetails(req, res)
  if (req.method === 'GET') {
    return page(res, prompt.name, prompt.name === 'login'
      ? '<form method=post><input name=login><button id=go>Log in</button></form>'
      : `<p>${params.client_id} asks for ${params.scope}.<form method=post><button id=go>Agree</button><button id=no name=no value=1>Disagree</button></form>`)
  }
  const form = new URLSearchParams(await text(req))
  if (form.has('no')) {
    return provider.interactionFinished(req, res, { error: 'access_denied', error_description: '<b>the user</b> disagrees' })
  }
  if (prompt.name === 'login') {
    return provider.interactionFinished(req, res, { login: { accountId: form.get('login') } })
  }
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true })
}

// page is answered to res, or by koa's ctx.
function page(res, name, body, ctx) {
  const html = `<!doctype html><title>${name}</title><body id=${name}>${body}`
  if (ctx) {
    ctx.body = html
    return
  }
  res.writeHead(200, { 'Content-Type': 'text/html' }).end(html)
}
