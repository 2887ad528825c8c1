// The peer of jose_test.go: package jose as a service in JavaScript uses it. It
// reads one request as JSON and answers it as JSON.
import { text } from 'node:stream/consumers'
import * as jose from 'jose'

const { sign, verify } = JSON.parse(await text(process.stdin))
process.stdout.write(JSON.stringify(sign ? await signAll(sign) : await verifyAll(verify)))

// signAll makes a key for each algorithm, in all its forms, and a token with it.
async function signAll({ algorithms, claims }) {
  return Promise.all(algorithms.map(async (alg) => {
    const header = { alg, typ: 'at+jwt', kid: `jose-${alg}` }
    const token = (key, h) => new jose.SignJWT(claims).setProtectedHeader({ ...header, ...h }).sign(key)
    const named = async (key) => ({ ...await jose.exportJWK(key), kid: header.kid, alg })
    if (alg.startsWith('HS')) {
      const secret = await jose.generateSecret(alg, { extractable: true })
      return { alg, token: await token(secret), privateJWK: await named(secret) }
    }
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
    const publicPEM = await jose.exportSPKI(publicKey)
    return {
      alg,
      token: await token(privateKey),
      publicJWK: { ...await named(publicKey), use: 'sig' },
      bareJWK: { ...await jose.exportJWK(publicKey), kid: header.kid },
      privateJWK: await named(privateKey),
      publicPEM,
      privatePEM: await jose.exportPKCS8(privateKey),
      // The public key taken for an HMAC secret (RFC 8725 section 2.1).
      confused: await token(new TextEncoder().encode(publicPEM), { alg: 'HS256' }),
    }
  }))
}

// verifyAll answers the claims of each token, or the code of the error.
async function verifyAll({ tokens, issuer, audience }) {
  const sets = new Map()
  const keyOf = ({ jwks, secret, alg }) => {
    if (secret) return jose.importJWK(secret, alg)
    if (!sets.has(jwks)) sets.set(jwks, jose.createRemoteJWKSet(new URL(jwks)))
    return sets.get(jwks)
  }
  return Promise.all(tokens.map(async (t) => {
    try {
      const options = { issuer, audience, typ: 'at+jwt', algorithms: [t.alg] }
      const { payload } = await jose.jwtVerify(t.token, await keyOf(t), options)
      return { claims: payload }
    } catch (err) {
      return { error: err.code ?? String(err) }
    }
  }))
}
