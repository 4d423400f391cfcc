// Open a page in a headless Chromium and click its button: `node page.mjs < page.html`; prints its visitor when all it did is
// acknowledged. It stands for a person's visit, so it calls itself what a person's browser does: what says Headless is a bot's.
import { readFileSync } from "node:fs";
import { withPages } from "./browser.mjs";

const html = `<!doctype html><body>${readFileSync(0, "utf8")}`;
const shop = (_, response) => response.setHeader("Content-Type", "text/html").end(html);
await withPages(shop, async (browser, address) => {
  const userAgent = (await (await browser.newPage()).evaluate(() => navigator.userAgent)).replace("Headless", "");
  const tab = await browser.newPage({ userAgent });
  await tab.goto(`${address}/`);
  await tab.waitForFunction(() => window.tactus);
  await tab.click("button");
  await tab.waitForFunction(() => localStorage["tactus.queue"] === "[]");
  console.log(await tab.evaluate(() => localStorage["tactus.visitor"]));
});
