// Has things checked by software that others wrote: stdin says what, as JSON, and stdout what became of each.

import { readFileSync } from "node:fs";

const { check, each } = JSON.parse(readFileSync(0, "utf8"));

// Strict: what is no UTF-8 must not become something else before it is checked.
const text = (body) => new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(body, "base64"));

// Each loads its libraries and gives back what does the checking: only that may fail without being our own mistake.
const checks = {
  async standard_webhooks() {
    const libraries = { standardwebhooks: await import("standardwebhooks"), svix: await import("svix") };
    return ({ headers, body, secret }) => {
      const refusals = Object.entries(libraries).flatMap(([name, { Webhook }]) => {
        try {
          new Webhook(secret).verify(text(body), headers);
          return [];
        } catch (error) {
          return [`${name}: ${error.message}`];
        }
      });
      if (refusals.length) throw new Error(refusals.join("; "));
    };
  },

  async github_signature() {
    const { verify } = await import("@octokit/webhooks-methods");
    return async ({ headers, body, secret, header }) => {
      if (!(await verify(secret, text(body), headers[header]))) {
        throw new Error("@octokit/webhooks-methods: verify() returned false");
      }
    };
  },

  async cloud_events() {
    const { HTTP } = await import("cloudevents");
    return ({ headers, body }) => {
      const events = [HTTP.toEvent({ headers, body: text(body) })].flat();
      for (const event of events) {
        // It throws, but for a version that it does not know, which is false.
        if (!event.validate()) throw new Error(`cloudevents: specversion ${event.specversion} is not valid`);
      }
      return events;
    };
  },

  async adaptive_card() {
    // Not the package's entry: Node cannot load that.
    const { default: cards } = await import("adaptivecards/dist/adaptivecards.js");
    return ({ card: given }) => {
      // Measured by the version that the card itself names: what came later is unknown to its readers.
      const context = new cards.SerializationContext();
      context.targetVersion = cards.Version.parse(String(given.version), context);
      const card = new cards.AdaptiveCard();
      card.parse(given, context);
      const found = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index));
      found.push(...card.validateProperties().validationEvents);
      if (found.length) throw new Error(`adaptivecards: ${found.map(({ message }) => message).join("; ")}`);
    };
  },
};

const run = await checks[check]();
const answers = [];
for (const asked of each) {
  try {
    answers.push({ ok: true, understood: await run(asked) });
  } catch (error) {
    answers.push({ ok: false, error: error.message });
  }
}
process.stdout.write(JSON.stringify(answers));
