// Verify a webhook by the JavaScript library of the Standard Webhooks spec: {secret, headers, body} in, its type out.
const { Webhook } = require("standardwebhooks");

const { secret, headers, body } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
process.stdout.write(new Webhook(secret).verify(body, headers).type);
