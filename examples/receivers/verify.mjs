// Checks the signature of a webhook request, in each of the three schemes.
//
// As a module: a function returns if the signature is good, and throws BadSignatureError if it is not. `body` is the body
// as it arrived, a Buffer or a string, before anything has parsed it. A signature by any one of `secrets` will do.
//
// As a command: the body comes from standard input, the secrets from WEBHOOK_SECRETS, separated by spaces.
//
//   node verify.mjs standard-webhooks <webhook-id> <webhook-timestamp> <webhook-signature> < body
//   node verify.mjs timestamped [--unit ms] <value of the header> < body
//   node verify.mjs sha256 <value of the header> < body

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

/** The request is forged, was changed on its way, or is too old. */
export class BadSignatureError extends Error {}

/**
 * Standard Webhooks: id, time and body are signed. Returns the id; it is safe to drop doubles by it.
 * The names of `headers` are in lower case, as Node gives them.
 */
export function standardWebhooks(headers, body, secrets, { tolerance = 300, now = Date.now() / 1000 } = {}) {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`] ?? "");
  if (!id || !timestamp || !signatures) {
    throw new BadSignatureError("webhook-id, webhook-timestamp or webhook-signature is missing");
  }
  const keys = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ""), "base64"));
  const expected = macs(keys, [id, ".", timestamp, ".", body]).map((mac) => `v1,${mac.toString("base64")}`);
  compare(signatures.split(/\s+/), expected);
  checkAge(timestamp, 1, tolerance, now);
  return id;
}

/** `t=<time>,v1=<hex>`, with one v1 for each secret: time and body are signed. */
export function timestamped(header, body, secrets, { tolerance = 300, now = Date.now() / 1000, unit = "s" } = {}) {
  const parts = header.split(",").map((part) => part.trim());
  const values = (name) => parts.filter((part) => part.startsWith(name)).map((part) => part.slice(name.length));
  const times = values("t=");
  if (times.length !== 1) throw new BadSignatureError("the header has no t, or several");
  const expected = macs(secrets, [times[0], ".", body]).map((mac) => mac.toString("hex"));
  compare(values("v1="), expected);
  checkAge(times[0], unit === "ms" ? 1000 : 1, tolerance, now);
}

/** `sha256=<hex>`: only the body is signed, so whoever has seen a request can send it again at any time. */
export function sha256(header, body, secrets) {
  compare([header.trim()], macs(secrets, [body]).map((mac) => `sha256=${mac.toString("hex")}`));
}

function macs(keys, parts) {
  if (!keys.length || keys.some((key) => !key.length)) {
    throw new TypeError("there is no secret, or an empty one"); // anybody could sign
  }
  return keys.map((key) => parts.reduce((mac, part) => mac.update(part), createHmac("sha256", key)).digest());
}

function compare(given, expected) {
  // Hashes have one length, which timingSafeEqual insists on. Every pair is compared, each in constant time.
  const hash = (text) => createHash("sha256").update(text).digest();
  const matches = expected.flatMap((own) => given.map((theirs) => timingSafeEqual(hash(own), hash(theirs))));
  if (!matches.filter(Boolean).length) throw new BadSignatureError("no signature matches");
}

function checkAge(timestamp, unitsPerSecond, tolerance, now) {
  if (!/^[0-9]{1,16}$/.test(timestamp)) throw new BadSignatureError("the time is not a number");
  const age = now - Number(timestamp) / unitsPerSecond;
  if (!(Math.abs(age) <= tolerance)) {
    throw new BadSignatureError(`signed ${age.toFixed()} s ago, which is too far from now`);
  }
}

function main() {
  const usage = (why) => {
    console.error(`verify.mjs: ${why}`);
    process.exit(2);
  };
  const known = { tolerance: { type: "string", default: "300" }, unit: { type: "string", default: "s" } };
  let parsed;
  try {
    parsed = parseArgs({ allowPositionals: true, options: known });
  } catch (problem) {
    usage(problem.message);
  }
  const { values: options, positionals: [scheme, ...values] } = parsed;
  const settings = { tolerance: Number(options.tolerance), unit: options.unit };
  if (!(settings.tolerance >= 0) || !["s", "ms"].includes(options.unit)) usage("--tolerance or --unit is wrong");
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const named = () => Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const schemes = {
    "standard-webhooks": [3, (body, secrets) => standardWebhooks(named(), body, secrets, settings)],
    timestamped: [1, (body, secrets) => timestamped(values[0], body, secrets, settings)],
    sha256: [1, (body, secrets) => sha256(values[0], body, secrets)],
  };
  const [count, check] = schemes[scheme] ?? usage("the scheme is standard-webhooks, timestamped or sha256");
  if (values.length !== count) usage(`${scheme} takes another number of values`);
  try {
    check(readFileSync(0), (process.env.WEBHOOK_SECRETS ?? "").split(/\s+/).filter(Boolean));
  } catch (problem) {
    if (!(problem instanceof BadSignatureError)) usage(problem.message);
    console.error(`bad: ${problem.message}`);
    process.exit(1);
  }
  console.log("good");
}

const script = process.argv[1];
if (script && existsSync(script) && import.meta.url === pathToFileURL(realpathSync(script)).href) main();
