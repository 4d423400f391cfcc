// Open a page in a headless Chromium and click its button: `node page.mjs < page.html`; prints its visitor when all it did is
// acknowledged.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const html = readFileSync(0, "utf8");
const shop = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(`<!doctype html><body>${html}`));
await new Promise((listening) => shop.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const tab = await browser.newPage();
  await tab.goto(`http://127.0.0.1:${shop.address().port}/`);
  await tab.waitForFunction(() => window.tactus);
  await tab.click("button");
  await tab.waitForFunction(() => localStorage["tactus.queue"] === "[]");
  console.log(await tab.evaluate(() => localStorage["tactus.visitor"]));
} finally {
  await browser.close();
  shop.close();
}
