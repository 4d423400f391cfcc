// Send by @segment/analytics-next in a headless Chromium: `node by_browser.mjs URL KEY PREFIX [batching]`; prints the
// messages' ids. The page is served from an origin of its own, so that everything crosses origins.
import { readFileSync } from "node:fs";
import { withPages } from "./browser.mjs";

const [url, writeKey, prefix, delivery] = process.argv.slice(2);
const folder = new URL("./node_modules/@segment/analytics-next/dist/umd/", import.meta.url);
const library = readFileSync(new URL("index.js", folder));
const page = `<!doctype html><title>Shop</title><script src="/index.js"></script>`;
const shop = (request, response) => {
  const path = request.url.split("?")[0];
  response.setHeader("Content-Type", path.endsWith(".js") ? "text/javascript" : "text/html");
  try {
    response.end(path === "/" ? page : path === "/index.js" ? library : readFileSync(new URL(path.slice(1), folder)));
  } catch {
    response.writeHead(404).end();
  }
};

await withPages(shop, async (browser, address) => {
  const tab = await browser.newPage();
  if (process.env.SHOW) {
    tab.on("console", (message) => console.error(message.text()));
    tab.on("requestfinished", async (r) => console.error(r.method(), r.url(), (await r.response())?.status()));
    tab.on("requestfailed", (r) => console.error(r.method(), r.url(), r.failure()?.errorText));
  }
  await tab.goto(`${address}/`);
  const ids = await tab.evaluate(
    async ({ url, writeKey, prefix, delivery }) => {
      const { AnalyticsBrowser } = window.AnalyticsNext ?? window;
      const segment = delivery === "batching" ? { deliveryStrategy: { strategy: "batching", config: { size: 3, timeout: 500 } } } : {};
      const analytics = AnalyticsBrowser.load({ writeKey, cdnURL: url }, { integrations: { "Segment.io": segment }, retryQueue: true });
      await analytics.setAnonymousId(`${prefix}-visitor`);
      const sent = await Promise.all([
        analytics.identify(`${prefix}-customer`, { email: `${prefix}@example.com` }),
        analytics.track("Product Added", { product_id: "p1" }),
        analytics.page("Home"),
        analytics.group("acme"),
        analytics.track("Lamp Dimmed"),
      ]);
      return sent.map((context) => context.event.messageId);
    },
    { url, writeKey, prefix, delivery },
  );
  console.log(ids.join("\n"));
  // Retries are the page's own: it stays open until the test has seen what it waits for.
  await new Promise((over) => process.stdin.on("end", over).resume());
});
