// The page's buttons say in their data attributes what to send. What is to be
// remembered between them is the newest key and the one that it replaced, and
// the tokens of the newest login.
const demo = document.body.dataset
const fresh = { id: "", secret: "", old: "", live: false }
const login = { access: "", refresh: "", spent: "", over: false }
const $ = id => document.getElementById(id)
const tries = [...document.querySelectorAll("[data-method]")]

for (const button of tries) button.addEventListener("click", () => ready(button) && send(button))
$("copy").addEventListener("click", copy)
setInterval(tellTimes, 5000)
enable()
listKeys()
// The back/forward cache may have the page of a session that has ended since.
addEventListener("pageshow", event => event.persisted && location.reload())

// A button that cannot be used yet keeps the focus, which a disabled one loses.
const ready = button => !button.hasAttribute("aria-disabled") && !button.hasAttribute("aria-busy")

async function send(button) {
  const { method, path, key, token, session, body, note, refused } = button.dataset
  const call = {
    method, session, token: login[token],
    body: body?.replace("{refresh}", login.refresh).replace("{spent}", login.spent),
    path: path.replace("{id}", fresh.id),
    key: { reader: demo.reader, typo: demo.typo, manager: demo.manager, new: fresh.secret, old: fresh.old }[key],
  }
  flag(button, "aria-busy", true)
  try {
    const response = await request(call)
    const text = await response.text()
    remember(call, response, text)
    show(call, response, text, response.status >= 400 && refused ? refused : note)
    await listKeys()
  } catch (error) {
    showFailure(call, error)
  } finally {
    flag(button, "aria-busy", false)
    for (const b of tries) flag(b, "aria-current", b === button)
    enable()
  }
}

function request({ method, path, key, token, session, body }) {
  const headers = new Headers()
  if (key) headers.set("X-API-Key", key)
  if (token) headers.set("Authorization", "Bearer " + token)
  if (body) headers.set("Content-Type", "application/json")
  return fetch(path, { method, headers, body, cache: "no-store", credentials: session ? "same-origin" : "omit" })
}

// remember keeps what later buttons need: a secret is in one answer only.
function remember(call, response, text) {
  if (response.status === 201 && call.path.startsWith("/keys/")) {
    const { id, secret } = JSON.parse(text)
    fresh.old = call.path.endsWith("/rotate") ? fresh.secret : ""
    Object.assign(fresh, { id, secret, live: true })
  }
  if (response.status === 204 && call.path.startsWith("/keys/")) fresh.live = false
  if (call.path.startsWith("/token")) rememberLogin(call, response, text)
}

function rememberLogin(call, response, text) {
  if (response.status === 200) {
    const { access_token: access, refresh_token: refresh } = JSON.parse(text)
    const again = refresh === login.refresh // the same answer, within the grace
    const spent = call.path === "/token" ? "" : again ? login.spent : login.refresh
    Object.assign(login, { access, refresh, spent, over: false })
  } else if (response.status === 204 || response.status === 400) {
    login.over = true
  }
}

function enable() {
  const met = { new: fresh.secret !== "", live: fresh.live, old: fresh.old !== "", login: login.access !== "", spent: login.spent !== "" }
  for (const button of tries) {
    const { method, path, needs, key } = button.dataset
    flag(button, "aria-disabled", needs !== undefined && !met[needs])
    if (key === "new") expect(button, fresh.secret && !fresh.live ? 401 : 200)
    if (needs === "login" && method === "GET") expect(button, login.over ? 401 : 200)
    if (path === "/token/refresh") expect(button, login.over ? 400 : 200)
  }
}

function expect(button, status) {
  button.querySelector(".want").textContent = status
}

function flag(button, name, on) {
  if (on) button.setAttribute(name, "true")
  else button.removeAttribute(name)
}

// What of an answer's header the exchange is about.
const fields = ["WWW-Authenticate", "Content-Type", "Vary", "Cache-Control", "Retry-After"]

function show(call, response, text, note) {
  const status = element("span", `${response.status}`, "badge " + family(response.status))
  $("headline").replaceChildren(status, ` ${response.statusText} `, element("span", `${call.method} ${call.path}`, "route"))
  $("note").textContent = note
  $("request").replaceChildren(...head(`${call.method} ${call.path}`, sent(call)), ...json(short(call.body ?? "")))
  const token = /"access_token":"([^"]+)"/.exec(text)?.[1]
  const got = fields.filter(name => response.headers.has(name)).map(name => [name, response.headers.get(name)])
  $("response").replaceChildren(...head(`${response.status} ${response.statusText}`, got), ...json(token ? short(text) : text))
  $("claims").replaceChildren(...token ? json(claims(token)).slice(1) : [])
  $("token").hidden = !token
  $("curl").textContent = curl(call)
  $("legend").hidden = true
  $("exchange").hidden = false
  reveal()
}

function showFailure(call, error) {
  $("headline").replaceChildren(element("span", "No answer", "badge server"), " ", element("span", `${call.method} ${call.path}`, "route"))
  $("note").textContent = `Is the server still running? Your browser says: ${error.message}`
  $("legend").hidden = $("exchange").hidden = true
  reveal()
}

// reveal is for small screens, where the exchange is below the buttons.
function reveal() {
  const top = $("result").getBoundingClientRect().top
  if (top < 0 || top > window.innerHeight * 0.6) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches
    $("result").scrollIntoView({ behavior: calm ? "auto" : "smooth" })
  }
}

function sent({ key, token, session, body }) {
  const all = []
  if (session === "yes") all.push(["Cookie", "session=…, which no script can read"])
  if (key) all.push(["X-API-Key", short(key)])
  if (token) all.push(["Authorization", "Bearer " + short(token)])
  if (body) all.push(["Content-Type", "application/json"])
  return all
}

// short leaves enough of each secret in text to tell it from another.
const short = text => text.replace(/[\w.-]{48,}/g, secret => secret.slice(0, 14) + "…" + secret.slice(-4))

// claims are the JSON in a token's second part.
function claims(token) {
  const base64 = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")
  return new TextDecoder().decode(Uint8Array.from(atob(base64), c => c.charCodeAt(0)))
}

function head(first, headers) {
  return [element("b", first), "\n", ...headers.flatMap(([name, value]) => [element("span", name + ":", "name"), ` ${value}\n`])]
}

function family(status) {
  return status < 400 ? "good" : status < 500 ? "client" : "server"
}

// json indents and colours text, if it is JSON.
function json(text) {
  if (text === "") return []
  try {
    text = JSON.stringify(JSON.parse(text), null, 2).replace(/\[\s+("[^\]]*")\s+\]/g, (_, items) => `[${items.replace(/\s+/g, " ")}]`)
  } catch {
    return ["\n" + text]
  }
  const tokens = text.split(/("(?:[^"\\]|\\.)*"(?::)?)/)
  return ["\n", ...tokens.map((token, i) => i % 2 ? element("span", token, token.endsWith(":") ? "name" : "string") : token)]
}

function curl({ method, path, key, token, session, body }) {
  const quote = s => "'" + s.replaceAll("'", String.raw`'\''`) + "'"
  const words = ["curl -i"]
  const login = `curl -c cookies -d password=quickstart ${demo.url}/login\n` // each device has a cookie of its own
  if (session === "yes") words[0] = login + "curl -i -b cookies"
  if (method !== "GET") words.push("-X " + method)
  if (key) words.push("-H " + quote("X-API-Key: " + key))
  if (token) words.push("-H " + quote("Authorization: Bearer " + token))
  if (body) words.push("-H 'Content-Type: application/json'", "-d " + quote(body))
  return [...words, demo.url + path].join(" ")
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("curl").textContent)
    $("copy").textContent = "Copied"
  } catch {
    getSelection().selectAllChildren($("curl")) // for Ctrl-C
    $("copy").textContent = "Selected"
  }
  setTimeout(() => { $("copy").textContent = "Copy" }, 2000)
}

async function listKeys() {
  try {
    const response = await request({ method: "GET", path: "/keys/", key: demo.manager })
    if (!response.ok) throw new Error(`the list was answered by ${response.status}`)
    const { keys } = await response.json()
    $("keys").replaceChildren(...keys.map(row))
    $("keys-error").hidden = true
    tellTimes()
  } catch (error) {
    $("keys-error").textContent = `The keys cannot be shown: ${error.message}.`
    $("keys-error").hidden = false
  }
}

// The roles are those of a table, which browsers forget where it is laid out
// as cards.
function row(key) {
  const revoked = key.revoked_at !== undefined
  const ended = revoked || Date.parse(key.ends_at) <= Date.now()
  const name = element("th", key.name)
  name.scope = "row"
  name.role = "rowheader"
  const state = revoked ? "revoked" : ended ? "ended" : key.replaced_by ? "replaced" : key.id === fresh.id ? "new" : ""
  if (state) name.append(" ", element("span", state, "state " + state))
  const cells = [
    name,
    cell("Key", element("code", key.hint)),
    cell("Scopes", ...(key.scopes ?? []).flatMap(scope => [element("code", scope), " "])),
    cell("Created", time(key.created_at)),
    cell("Ends", time(key.revoked_at ?? key.ends_at)),
    cell("Last used", time(key.last_used_at)),
    cell("Uses", `${key.uses}`),
  ]
  cells.at(-1).classList.add("number")
  const tr = element("tr", "", ended ? "ended" : "")
  tr.role = "row"
  tr.append(...cells)
  return tr
}

function cell(label, ...content) {
  const td = element("td")
  td.role = "cell"
  td.dataset.label = label
  td.append(element("span"))
  td.firstChild.append(...content)
  return td
}

function time(at) {
  if (!at) return "never"
  const e = element("time")
  e.dateTime = at
  e.title = new Date(at).toLocaleString()
  return e
}

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" })
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]

function tellTimes() {
  for (const e of document.querySelectorAll("time")) {
    const seconds = Math.round((Date.parse(e.dateTime) - Date.now()) / 1000)
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units.at(-1)
    e.textContent = Math.abs(seconds) < 3 ? "now" : ago.format(Math.round(seconds / size), unit)
  }
}

function element(tag, text = "", className = "") {
  const e = document.createElement(tag)
  e.textContent = text
  if (className) e.className = className
  return e
}
