// Send by @segment/analytics-node: `node by_node.mjs URL KEY PREFIX`; prints the messages' ids.
import { Analytics } from "@segment/analytics-node";

const [url, writeKey, prefix] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host: url, flushInterval: 200, maxRetries: 10 });
const failed = [];
analytics.on("error", (error) => failed.push(error));

const userId = `${prefix}-customer`;
const anonymousId = `${prefix}-visitor`;
const id = (number) => ({ messageId: `${prefix}-${number}` });
analytics.identify({ userId, anonymousId, traits: { email: `${prefix}@example.com` }, ...id(0) });
analytics.track({ userId, event: "Order Completed", properties: { order_id: "o-1", revenue: 12.5 }, timestamp: new Date(), ...id(1) });
analytics.page({ anonymousId, name: "Home", ...id(2) });
analytics.screen({ userId, name: "Cart", ...id(3) });
analytics.group({ userId, groupId: "acme", ...id(4) });
analytics.alias({ userId, previousId: anonymousId, ...id(5) });
analytics.track({ userId, event: "Lamp Dimmed", ...id(6) });
analytics.alias({ userId, previousId: `${prefix}-guest`, ...id(7) });
analytics.track({ userId: `${prefix}-guest`, event: "Lamp Dimmed", ...id(8) });
await analytics.closeAndFlush({ timeout: 60_000 });
if (failed.length) {
  console.error(failed);
  process.exit(1);
}
for (let number = 0; number < 9; number++) console.log(`${prefix}-${number}`);
