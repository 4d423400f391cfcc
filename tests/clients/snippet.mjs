// Visit pages that bear our snippet in a headless Chromium: `node snippet.mjs DOOR KEY PREFIX`; prints what was seen as JSON.
// Every page is a scenario of its own, told apart by its path: /PREFIX/<scenario>.
import { withPages } from "./browser.mjs";

const [door, key, prefix] = process.argv.slice(2);
const attributes = { waits: 'data-consent="wait"', refuses: 'data-consent="wait"', cookie: "data-cookie" };
const shop = (request, response) => {
  const scenario = request.url.split("/")[2]?.split("?")[0];
  response.setHeader("Content-Type", "text/html");
  const page = `<!doctype html><title>Shop</title><body><h1>Lamps</h1><button>Buy</button>
    <script async src="${door}/t.js" data-key="${key}" ${attributes[scenario] ?? ""}></script>`;
  setTimeout(() => response.end(page), scenario === "slow" ? 3000 : 0);
};
const seen = { methods: [] };

const track = (tab, touchpoint) => tab.evaluate((name) => tactus.track(name, { properties: { path: location.pathname } }), touchpoint);
const stored = (tab) => tab.evaluate(() => Object.keys(localStorage).sort());

await withPages(shop, async (browser, address) => {
  async function visited(scenario, act) {
    const context = await browser.newContext();
    const tab = await context.newPage();
    context.on("request", (request) => request.url().includes("/v1/beacon") && seen.methods.push(request.method()));
    const open = async () => {
      await tab.goto(`${address}/${prefix}/${scenario}`);
      await tab.waitForFunction(() => window.tactus);
    };
    const taken = () => tab.waitForResponse((response) => response.url().includes("/v1/beacon") && response.status() === 202);
    await act({ context, tab, open, taken });
    await context.close();
  }

  await visited("view", async ({ tab, open, taken }) => {
    const answer = taken();
    await open();
    await answer;
    const again = taken();
    await tab.evaluate(() => history.pushState({}, "", `${location.pathname}/next?secret=1`));
    await track(tab, "x.lamp_dimmed");
    await again;
    await tab.waitForFunction(() => localStorage["tactus.queue"] === "[]");
    seen.cookies = (await tab.context().cookies()).length;
  });
  await visited("frustrated", async ({ tab, open, taken }) => {
    await open();
    const answer = taken();
    for (let click = 0; click < 5; click++) await tab.click("button");
    await tab.evaluate(() => setTimeout(() => { throw new Error("broken"); }));
    await tab.evaluate(() => { Promise.reject(new Error("also broken")); });
    await answer;
    await tab.waitForFunction(() => localStorage["tactus.queue"] === "[]");
  });
  await visited("offline", async ({ context, tab, open, taken }) => {
    await open();
    await context.route("**/v1/beacon*", (route) => route.abort());
    await track(tab, "x.while_offline");
    await tab.waitForTimeout(1500);
    await context.unroute("**/v1/beacon*");
    const answer = taken();
    await open();
    await answer;
    await tab.waitForFunction(() => localStorage["tactus.queue"] === "[]");
  });
  await visited("leaving", async ({ tab, open }) => {
    await open();
    await track(tab, "x.at_last");
    // What a page sends while it is left is shown to nobody: the log tells whether it came.
    await tab.goto("about:blank");
    await tab.waitForTimeout(1500);
  });
  await visited("waits", async ({ tab, open, taken }) => {
    await open();
    await track(tab, "x.before_consent");
    await tab.waitForTimeout(1500);
    seen.beforeConsent = [await stored(tab), seen.methods.length, (await tab.context().cookies()).length];
    const answer = taken();
    await tab.evaluate(() => tactus.consent(true));
    await answer;
  });
  seen.afterConsent = seen.methods.length;
  await visited("refuses", async ({ tab, open }) => {
    await open();
    await track(tab, "x.never");
    await tab.evaluate(() => tactus.consent(false));
    await tab.waitForTimeout(1500);
    await tab.goto("about:blank");
  });
  seen.refused = seen.methods.length - seen.afterConsent;
  await visited("cookie", async ({ tab, open, taken }) => {
    const answer = taken();
    await open();
    await answer;
    seen.cookie = (await tab.context().cookies()).map((cookie) => cookie.name);
  });
  await visited("slow", async ({ tab, open }) => {
    await open();
    await tab.waitForTimeout(500);
    await tab.goto("about:blank");
    await tab.waitForTimeout(1500);
  });
  console.log(JSON.stringify(seen));
});
