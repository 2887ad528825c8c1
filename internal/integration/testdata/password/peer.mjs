// A peer of password_interop_test.go: npm's bcrypt and argon2 as a service in
// JavaScript uses them. It reads one request as JSON and answers it as JSON.
import { text } from 'node:stream/consumers'
import argon2 from 'argon2'
import bcrypt from 'bcrypt'

const { passwords, verify } = JSON.parse(await text(process.stdin))
const made = []
for (const password of passwords) {
  const add = (tool, hash) => made.push({ tool, hash, password })
  add('bcrypt of npm', await bcrypt.hash(password, 4))
  add('argon2 of npm', await argon2.hash(password, { memoryCost: 1024, timeCost: 2, parallelism: 1 }))
  add('argon2i of npm', await argon2.hash(password, { type: argon2.argon2i, memoryCost: 1024, timeCost: 3, parallelism: 2 }))
}
const verified = {}
for (const { hash, password } of verify) {
  const ours = hash.startsWith('$2') ? bcrypt.compare(password, hash) : argon2.verify(hash, password)
  verified[hash] = { npm: await ours }
}
process.stdout.write(JSON.stringify({ made, verified }))
