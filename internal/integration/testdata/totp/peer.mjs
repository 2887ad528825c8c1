// A peer of totp_interop_test.go: npm's otpauth and otplib, as an authenticator
// in JavaScript uses them. It reads one request as JSON and answers it as JSON.
import { text } from 'node:stream/consumers'
import { parse } from '@otplib/uri'
import { URI } from 'otpauth'
import { generateSync } from 'otplib'

const { phones } = JSON.parse(await text(process.stdin))
const otpauth = []
const otplib = []
for (const { uri, at } of phones) {
  const app = URI.parse(uri)
  otpauth.push({ issuer: app.issuer, account: app.label, code: app.generate({ timestamp: at * 1000 }) })

  const { label, params: { issuer, secret, algorithm, digits, period } } = parse(uri)
  const account = label.slice(label.indexOf(':') + 1)
  otplib.push({ issuer, account, code: generateSync({ secret, algorithm, digits, period, epoch: at }) })
}
process.stdout.write(JSON.stringify({ otpauth, otplib }))
