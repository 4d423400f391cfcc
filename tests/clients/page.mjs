// Open a page in a headless Chromium and click its button: `node page.mjs < page.html`; prints its visitor when all it did is
// acknowledged.
import { readFileSync } from "node:fs";
import { withPages } from "./browser.mjs";

const html = `<!doctype html><body>${readFileSync(0, "utf8")}`;
const shop = (_, response) => response.setHeader("Content-Type", "text/html").end(html);
await withPages(shop, async (browser, address) => {
  const tab = await browser.newPage();
  await tab.goto(`${address}/`);
  await tab.waitForFunction(() => window.tactus);
  await tab.click("button");
  await tab.waitForFunction(() => localStorage["tactus.queue"] === "[]");
  console.log(await tab.evaluate(() => localStorage["tactus.visitor"]));
});
