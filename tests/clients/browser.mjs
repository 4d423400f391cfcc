// A headless Chromium, and pages of an origin of their own for it, so that everything that they send crosses origins.
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const args = ["--headless", "--no-sandbox", ...quiet, "--disable-component-update", "--disable-sync"];

// Calls `visit` with the browser and the address of the pages that `answer` gives, and takes both down after it.
export async function withPages(answer, visit) {
  const shop = createServer(answer);
  await new Promise((listening) => shop.listen(0, "127.0.0.1", listening));
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
  try {
    await visit(browser, `http://127.0.0.1:${shop.address().port}`);
  } finally {
    await browser.close();
    shop.close();
  }
}
