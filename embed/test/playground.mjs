// The page in a browser: node playground.mjs CHECK chromium index.html [FILE...]
//
// The checks are those of `tests/playground.rs`, which says what the files are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [check, executablePath, file, ...files] = process.argv.slice(2);
const json = (path) => JSON.parse(readFileSync(path, "utf8"));
const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

/** What was asked of a network, and what went wrong. */
const requests = [];
const complaints = [];

async function open({ url = pathToFileURL(file).href, width = 1280, height = 800, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const page = await context.newPage();
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(dialog.message()));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  await page.waitForFunction(() => document.body.dataset.counted);
  return page;
}

const limit = (page, level, name) => page.locator(`input[data-level="${level}"][data-limit="${name}"]`);
const status = (page) => page.locator("#status").textContent();

async function choose(page, path) {
  await page.locator(`#files button[data-path="${path}"]`).evaluate((button) => button.click());
}

/** The container's text of each of these files, or of the one that is chosen, from what a person sees. */
function texts(page, paths) {
  return page.evaluate((paths) => {
    const shown = () => {
      document.querySelectorAll("button.more").forEach((more) => more.click());
      const cells = [...document.querySelectorAll("#text td.own:not(.none)")];
      const lines = cells.map((cell) => {
        const own = cell.cloneNode(true);
        own.querySelectorAll(".sr").forEach((word) => word.remove());
        return `${own.textContent}\n`;
      });
      return lines.join("");
    };
    const chosen = (path) => document.querySelector(`#files button[data-path="${path}"]`).click();
    return paths === undefined ? [shown()] : paths.map((path) => (chosen(path), shown()));
  }, paths);
}

const text = async (page) => (await texts(page))[0];

/** Chooses a policy that comes with the page, and waits until all files are marked. */
async function decideBy(page, policy) {
  const counted = await page.evaluate(() => document.body.dataset.counted);
  await page.selectOption("#policy", policy);
  await page.waitForFunction((before) => document.body.dataset.counted !== before, counted);
}

/** Opens a policy of a person's own; what the page says if it refuses it. */
async function bring(page, name, buffer) {
  const mimeType = "application/wasm";
  await page.locator("#component").setInputFiles({ name, mimeType, buffer });
  const isDone = (name) => {
    const error = document.getElementById("policy-error").textContent;
    return document.getElementById("policy").value === name || error.startsWith(`${name}: `);
  };
  await page.waitForFunction(isDone, name);
  await quiet(page);
  return page.locator("#policy-error").textContent();
}

/** Waits for the answer of a policy that runs in a worker. */
function quiet(page) {
  return page.waitForFunction(() => !document.getElementById("content").hasAttribute("aria-busy"));
}

/** Opens a file of a policy that answers from its worker: its text, or why there is none. */
async function answered(page, path) {
  await choose(page, path);
  await quiet(page);
  assert.equal(await page.locator("#path code").textContent(), path);
  return (await page.locator("#file-error").textContent()) || text(page);
}

const knobs = (page) => page.locator("#knobs .knob > :is(legend, label)").allTextContents();
const paths = (page) => page.locator("#files button").evaluateAll((all) => all.map((b) => b.dataset.path));
const isUnlike = (page, path) => page.locator(`#files button[data-path="${path}"] .unlike`).count();

/** What `vprocctl render --json` printed, and the page shows. */
async function sameTexts(page, expected) {
  const found = await texts(page, expected.map(({ path }) => path));
  for (const [place, { path, text: own }] of expected.entries()) {
    assert.equal(found[place], own === "" || own.endsWith("\n") ? own : `${own}\n`, path);
  }
}

const checks = {
  async renders() {
    const page = await open();
    for (let place = 0; place < files.length; place += 2) {
      await page.selectOption("#capture", files[place]);
      const expected = json(files[place + 1]);
      const paths = await page.locator("#files button").evaluateAll((all) => all.map((b) => b.dataset.path));
      assert.deepEqual(paths, expected.map(({ path }) => path), files[place]);
      await sameTexts(page, expected);
    }
  },

  async limits() {
    const page = await open();
    await page.selectOption("#capture", "v1-nested");
    assert.match(await text(page), /^MemTotal: +204800 kB/);
    await page.locator("#text button.value").first().click();
    // Its own slider follows; and it follows the slider, to its end and back.
    const bar = page.locator('[data-slider="1 Memory"]');
    await bar.fill(await bar.getAttribute("max"));
    assert.equal(await limit(page, 1, "Memory").inputValue(), "max");
    assert.match(await text(page), /^MemTotal: +256000 kB/);
    await limit(page, 1, "Memory").fill("100M");
    assert.equal(await bar.getAttribute("aria-valuetext"), "100M");
    assert(Number(await bar.inputValue()) < Number(await bar.getAttribute("max")) / 2);
    await limit(page, 1, "CPUs").fill("1.2");
    const why = await page.locator("#why").textContent();
    assert.match(why, /MemTotal 102400 kB/);
    assert.match(why, /Decided by memory\.limit_in_bytes at \/vproc-fx\/pod \(1 above the leaf\)/);
    assert.equal(await page.locator("#why tr.decides").count(), 1);
    await limit(page, 1, "Memory").fill("90M");
    assert.match(await status(page), /^\d+ lines changed in \/proc\/meminfo; MemTotal 92160 kB, decided by .*\/vproc-fx\/pod/);
    assert.equal(await page.locator("#text tr.changed td.own").first().textContent(), "differs: MemTotal:          92160 kB");
    await sameTexts(page, json(files[0]));
    // A value that a formula calls by a name is explained, too.
    await choose(page, "/proc/stat");
    await page.locator('#text button[aria-label^="cpu idle"]').click();
    assert.match(await page.locator("#why .where").first().textContent(), /^the container's clock .* = /);
    // What is no amount changes nothing, and says so.
    await choose(page, "/proc/meminfo");
    const before = await text(page);
    await limit(page, 1, "Memory").fill("much");
    assert.equal(await page.locator("#limit-1-Memory-error").textContent(), "an amount, such as 256M, or max");
    assert.equal(await limit(page, 1, "Memory").getAttribute("aria-invalid"), "true");
    assert.equal(await text(page), before);
    await page.locator("#reset").click();
    assert.match(await text(page), /^MemTotal: +204800 kB/);
    assert.equal(await limit(page, 1, "Memory").inputValue(), "200M");
  },

  async knobs() {
    const page = await open();
    await page.selectOption("#capture", "v1-nested");
    const names = await page.locator("#knobs .knob > :is(legend, label)").allTextContents();
    const declared = json(files[0]).map(({ name }) => name).filter((name) => !name.startsWith("/"));
    assert.deepEqual(names, declared);
    await page.locator('input[name="knob-cpus"][value="cpuset"]').check({ force: true });
    await sameTexts(page, json(files[1]));
    await page.locator("#knob-cpu-minimum").fill("none");
    assert.match(await page.locator("#knobs-error").textContent(), /`cpu-minimum`: `none` is not what it takes/);
    await page.locator("#knob-cpu-minimum").fill("2");
    assert.equal(await page.locator("#knobs-error").textContent(), "");
    // Each path is a knob.
    await choose(page, "/proc/stat");
    await page.selectOption("#treatment", "deny");
    assert.equal(await page.locator("#file-error").textContent(), "/proc/stat: the policy or a setting denies it");
    await page.waitForFunction(() => document.querySelector('[data-path="/proc/stat"] .verdict').textContent === "denied");
    await page.selectOption("#treatment", "mask");
    assert.equal(await page.locator("#text .empty").textContent(), "The file is empty.");
    assert.equal(await text(page), "");
    await page.selectOption("#treatment", "pass");
    assert.match(await status(page), /changed in \/proc\/stat/);
    assert.equal(await page.locator("#text tr.differs").count(), 0);
  },

  async policies() {
    const page = await open();
    const [names, expected, declared] = files.map(json);
    const options = await page.locator("#policy option").evaluateAll((all) => all.map(({ value }) => value));
    assert.deepEqual(options, ["default", ...names]);
    assert.equal(await page.locator("#beside").isHidden(), true);
    await choose(page, "/proc/cpuinfo");
    assert.equal((await text(page)).match(/^processor/gm).length, 1);
    // What one policy takes, and another one does not.
    await page.locator("#knob-cpu-minimum").fill("2");
    await page.locator('input[name="knob-swap"]').last().check({ force: true });
    const swap = await page.locator('input[name="knob-swap"]:checked').inputValue();
    await page.locator("#policy").focus();
    const counted = await page.evaluate(() => document.body.dataset.counted);
    await page.keyboard.type("two");
    await page.waitForFunction((before) => document.body.dataset.counted !== before, counted);
    assert.equal(await page.locator("#policy").inputValue(), "two-cpus");
    assert.equal(await page.locator("#policy-summary").textContent(), "At least two CPUs.");
    assert.equal((await text(page)).match(/^processor/gm).length, 2);
    assert.deepEqual(await knobs(page), declared.map(({ name }) => name).filter((name) => !name.startsWith("/")));
    assert.equal(await page.locator("#knob-cpu-minimum").count(), 0);
    assert.equal(await page.locator('input[name="knob-swap"]:checked').inputValue(), swap);
    assert.equal(await page.locator("#knobs-error").textContent(), "");
    // Nothing but the policy is another one again.
    await page.locator("#reset").click();
    await page.waitForFunction(() => document.querySelector('[data-path="/proc/cpuinfo"] .unlike') !== null);
    assert.deepEqual(await paths(page), expected.map(({ path }) => path));
    await sameTexts(page, expected);
    await choose(page, "/proc/cpuinfo");
    assert.equal(await isUnlike(page, "/proc/meminfo"), 0);
    await page.locator("#unlike-only").click();
    const some = await page.locator("#files button:visible").count();
    assert.equal(await page.locator("#unlike-count").textContent(), `${some} files differ from the default policy’s.`);
    assert(some > 3 && some < expected.length);
    await page.locator("#unlike-only").click();
    // It has two CPUs of the two of the host; the default policy shows one.
    assert.equal(await page.locator("#text tr.differs").count(), 0);
    await page.locator('input[name="beside"][value="default"]').check({ force: true });
    assert.deepEqual(await page.locator("#text th").allTextContents(), ["Default policy", "two-cpus"]);
    const differing = await page.locator("#text tr.differs td.default").allTextContents();
    assert(differing.some((line) => /^default: siblings\s*: 1$/.test(line)), differing.join("|"));
    assert.match(await status(page), /^\/proc\/cpuinfo: \d+ lines differ from the default policy’s/);

    await decideBy(page, "ten-files");
    assert((await paths(page)).length <= 10);
    assert.match(await page.locator("#absent").textContent(), /^\d+ files of the default policy are not served\./);
    await decideBy(page, "requests");
    assert.match(await page.locator("#absent").textContent(), /this policy needs what this capture does not have/);
    await page.selectOption("#capture", "pod-v2");
    await choose(page, "/proc/meminfo");
    assert.match(await text(page), /^MemTotal: +131072 kB/);
    await page.waitForFunction(() => document.querySelector('[data-path="/proc/meminfo"] .unlike') !== null);
    await decideBy(page, "default");
    assert.match(await text(page), /^MemTotal: +393216 kB/);
    assert.equal(await page.locator(".unlike:visible").count(), 0);
    assert.equal(await page.locator("#beside").isHidden(), true);
    assert.deepEqual(await page.locator("#text th").allTextContents(), ["Host", "Container"]);
  },

  /** A policy of a person's own: what it shows, and what it cannot do. */
  async own() {
    const page = await open();
    const [expected, example, puppet, hostile] = [json(files[0]), ...files.slice(1).map((file) => readFileSync(file))];
    assert.equal(await bring(page, "two.wasm", example), "");
    assert.deepEqual(await paths(page), expected.map(({ path }) => path));
    for (const { path, text: own } of expected.filter(({ path }) => /meminfo|cpuinfo|cpu.online$/.test(path))) {
      assert.equal(await answered(page, path), own, path);
    }
    await answered(page, "/proc/meminfo");
    await page.locator("#text button.value").first().click();
    assert.match(await page.locator("#why").textContent(), /Decided by memory\.limit_in_bytes at \/vproc-fx\/pod/);
    assert.equal(await page.locator("#unexplained").isHidden(), true);
    await limit(page, 1, "Memory").fill("90M");
    await quiet(page);
    assert.match(await text(page), /^MemTotal: +92160 kB/);
    // What cannot be a policy leaves the one that decides.
    const refused = [
      ["text.wasm", Buffer.from("no policy"), /^text\.wasm: not a policy: it is not WebAssembly$/],
      ["core.wasm", Buffer.from("0061736d01000000", "hex"), /it is a core module, and a policy is a component$/],
      ["empty.wasm", Buffer.from("0061736d0d000100", "hex"), /^empty\.wasm: .*`renderer`/],
      ["cut.wasm", example.subarray(0, example.length / 2), /^cut\.wasm: not a policy: ./],
    ];
    for (const [name, content, reason] of refused) {
      assert.match(await bring(page, name, content), reason);
      assert.equal(await page.locator("#policy").inputValue(), "two.wasm");
    }
    assert.match(await answered(page, "/proc/meminfo"), /^MemTotal: +92160 kB/);
    // Without reasons; dropped, which ends the complaint.
    await page.evaluate(async (bytes) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], "puppet"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }, puppet.toString("base64"));
    await page.waitForFunction(() => document.getElementById("policy").value === "puppet");
    await quiet(page);
    assert.equal(await page.locator("#policy-error").textContent(), "");
    assert.match(await answered(page, "/proc/stat"), /^A \w+ 00000001 of 00000003\n/);
    assert.equal(await page.locator("#unexplained").isVisible(), true);
    assert.equal(await page.locator("#text button.value").count(), 0);

    assert.equal(await bring(page, "hostile.wasm", hostile), "");
    assert.equal(await answered(page, "/honest"), "honest\n");
    // It loops in its worker; the page goes on, and ends it.
    await choose(page, "/loop");
    await page.locator("#filter").fill("hon");
    assert.equal(await page.locator("#files button:visible").count(), 1);
    await page.locator("#filter").fill("");
    assert.equal(await answered(page, "/loop"), "/loop: no answer within 2 s, so it was ended");
    assert.match(await answered(page, "/allocate"), /^\/allocate: the policy failed: /);
    assert.match(await answered(page, "/trap"), /^\/trap: the policy failed: /);
    assert.match(await answered(page, "/huge"), /more than the page shows$/);
    assert.match(await answered(page, "/bytes"), /3 bytes, which are no text$/);
    assert.match(await answered(page, "/read-clock"), /a policy has no imports$/);
    assert.equal(await answered(page, "/honest"), "honest\n");
    // A question that nobody waits for any more is not asked.
    await choose(page, "/loop");
    await choose(page, "/trap");
    assert.equal(await answered(page, "/honest"), "honest\n");
    await decideBy(page, "default");
    await choose(page, "/proc/meminfo");
    assert.match(await text(page), /^MemTotal: +92160 kB/);
  },

  /** What a change leaves as it is stays, and what a later change overtakes ends. */
  async changes() {
    const page = await open();
    await page.evaluate(() => {
      document.querySelectorAll("#text tbody tr").forEach((row) => (row.isOld = true));
      globalThis.counts = [];
      const noted = () => counts.push(Number(document.body.dataset.counted));
      new MutationObserver(noted).observe(document.body, { attributeFilter: ["data-counted"] });
      globalThis.before = Number(document.body.dataset.counted);
    });
    await limit(page, 1, "Memory").fill("100M");
    const rows = await page.locator("#text tbody tr").evaluateAll((all) => all.map((row) => [row.isOld === true, row.className]));
    const fresh = rows.filter(([isOld]) => !isOld);
    assert(fresh.length > 0 && fresh.length < rows.length / 2, `${fresh.length} of ${rows.length}`);
    assert(fresh.every(([, classes]) => classes.includes("changed")));
    assert(rows.every(([isOld, classes]) => !isOld || !classes.includes("changed")));
    await page.waitForFunction(() => counts.length === 1);
    // Three changes without a pause: the files are counted for the last one.
    await page.evaluate(() => {
      const bar = document.querySelector('[data-slider="1 Memory"]');
      for (const place of ["3", "4", "5"]) {
        bar.value = place;
        bar.dispatchEvent(new Event("input", { bubbles: true }));
      }
    });
    await page.waitForFunction(() => counts.at(-1) === before + 4);
    assert.deepEqual(await page.evaluate(() => counts), await page.evaluate(() => [before + 1, before + 4]));
  },

  async refuses() {
    const page = await open();
    const good = readFileSync(files[0], "utf8");
    const offer = async (name, content) => {
      await page.locator("#file").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(content) });
      await page.waitForFunction(
        (name) => document.getElementById("capture-error").textContent.startsWith(name),
        `${name}: `,
      );
      return page.locator("#capture-error").textContent();
    };
    assert.match(await offer("cut.json", good.slice(0, good.length / 2)), /not a capture: it is not JSON/);
    assert.match(await offer("list.json", "[1]"), /not a capture: it has no `vproc-capture`/);
    assert.match(await offer("new.json", good.replace('"vproc-capture": 1', '"vproc-capture": 9')), /of format 9/);
    assert.match(await offer("<b>.json", "<b>"), /^<b>\.json: not a capture/);
    // Too large for `setInputFiles`.
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([" ".repeat((64 << 20) + 1)], "large.json"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    });
    await page.waitForFunction(() => /^large\.json: .*64 MiB/.test(document.getElementById("capture-error").textContent));
    // What was shown is still shown.
    assert.match(await text(page), /^MemTotal: +204800 kB/);
    // A dropped file is as good as a chosen one, and ends the complaint.
    await page.evaluate((content) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([content], "dropped.json"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }, good);
    await page.waitForFunction(() => document.getElementById("capture").value === "dropped.json");
    assert.equal(await page.locator("#capture-error").textContent(), "");
  },

  async hostile() {
    const page = await open();
    const evil = "<img src=x onerror=alert(1)></script><b>";
    const capture = JSON.parse(readFileSync(files[0], "utf8").replaceAll("/vproc-fx/pod", evil));
    capture.origin.note = evil;
    capture.origin.kernel = evil;
    capture.environment.machine = evil;
    const meminfo = capture.records.find(({ source }) => source === "host:/proc/meminfo");
    meminfo.found[0].text = `${evil}: 1 kB\n${meminfo.found[0].text}${"Long: 1 kB\n".repeat(20000)}`;
    const buffer = Buffer.from(JSON.stringify(capture));
    await page.locator("#file").setInputFiles({ name: `${evil}.json`, mimeType: "application/json", buffer });
    await page.waitForFunction(() => document.getElementById("note").textContent.startsWith("<img"));
    await page.locator("#text button.value", { hasText: /^204800$/ }).click();
    assert.equal(await page.locator("img, b").count(), 0);
    assert.match(await page.locator("#limits legend").nth(1).textContent(), /^<img src=x onerror=alert\(1\)>/);
    assert.match(await page.locator("#why").textContent(), /at <img src=x/);
    assert.match(await page.locator("#text td.host").first().textContent(), /<img src=x/);
    // Not all at once.
    assert(await page.locator("#text tr").count() < 600);
    assert.match(await page.locator("button.more").textContent(), /Show all 20\d+ lines/);
  },

  async keyboard() {
    const page = await open();
    const tab = async (isThere) => {
      for (let presses = 0; presses < 80; presses += 1) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(isThere)) return presses;
      }
      throw new Error(`not reached: ${isThere}`);
    };
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await tab(() => document.activeElement.id === "capture");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await tab(() => document.activeElement.id === "policy");
    await tab(() => document.activeElement.id === "component");
    await tab(() => document.activeElement.matches('[data-level="1"][data-limit="Memory"]'));
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("64M");
    assert.match(await status(page), /changed in \/proc\/meminfo/);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.slider), "1 Memory");
    await page.keyboard.press("ArrowRight");
    assert.equal(await limit(page, 1, "Memory").inputValue(), "76M");
    assert.match(await text(page), /^MemTotal: +77824 kB/);
    await tab(() => document.activeElement.name === "knob-cpus");
    await page.keyboard.press("ArrowLeft");
    assert.equal(await page.evaluate(() => document.activeElement.value), "cpuset");
    await tab(() => document.activeElement.id === "filter");
    await page.keyboard.type("stat");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.path), "/proc/stat");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.path), "/proc/diskstats");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    assert.match(await page.locator("#path").textContent(), /^\/proc\/stat/);
    await tab(() => document.activeElement.closest("#text") !== null);
    const value = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    assert.match(await value(), /^cpu user \d+$/);
    await page.keyboard.press("ArrowRight");
    assert.match(await value(), /^cpu nice \d+$/);
    await page.keyboard.press("ArrowDown");
    assert.match(await value(), /^cpu0 user \d+$/);
    assert.match(await page.locator("#why").textContent(), /^cpu0 user \d+/);
    // The explanation describes the value, for who does not see it.
    const described = await page.evaluate(() => document.activeElement.getAttribute("aria-describedby").split(" "));
    assert.equal(await page.locator(`#${described[0]}`).count(), 1);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("#why").isHidden(), true);
    // The values are one stop of the tabulator.
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.closest("#text")), null);
  },

  async narrow() {
    const page = await open({ width: 360, height: 740 });
    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
    for (const [capture, policy] of [["v1-nested", "two-cpus"], ["v1-run-256m", "default"], ["handmade-x86-threads", "ten-files"]]) {
      await page.selectOption("#capture", capture);
      await page.selectOption("#policy", policy);
      await page.waitForFunction(({ isOther }) => document.getElementById("beside").hidden !== isOther, { isOther: policy !== "default" });
      if (policy !== "default") await page.locator('input[name="beside"][value="default"]').check({ force: true });
      const paths = ["/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/interrupts", "/proc/cmdline"];
      const there = await page.locator("#files button").evaluateAll((all) => all.map((b) => b.dataset.path));
      for (const path of paths.filter((path) => there.includes(path))) {
        await choose(page, path);
        const values = page.locator("button.value");
        if ((await values.count()) > 0) await values.first().click();
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.equal(width, 360, `${capture}: ${path}`);
      }
    }
  },

  async accessible() {
    const screens = [["light", 360], ["dark", 360], ["dark", 900], ["light", 1440]];
    for (const [colorScheme, width] of screens) {
      const page = await open({ width, colorScheme, bypassCSP: true, reducedMotion: "reduce" });
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      await limit(page, 1, "Memory").fill("100M");
      await page.locator("#text button.value").first().click();
      await limit(page, 0, "Memory").fill("x");
      await page.evaluate(AXE);
      const look = async (what) => {
        const { violations, passes } = await page.evaluate(() => axe.run());
        const found = violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target.join(" "))]);
        assert.deepEqual(found, [], `${what}, ${colorScheme}, ${width} px`);
        assert(passes.some(({ id }) => id === "color-contrast"));
      };
      await look("the default policy");
      await decideBy(page, "two-cpus");
      await choose(page, "/proc/cpuinfo");
      await page.locator('input[name="beside"][value="default"]').check({ force: true });
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      assert.notEqual(await page.locator("#files .unlike:visible").count(), 0);
      await bring(page, "none.wasm", Buffer.from("none"));
      await look("another policy");
      await page.close();
    }
  },

  async alone() {
    const asked = [];
    const server = createServer(({ url }, response) => {
      asked.push(url);
      response.setHeader("content-type", "text/html");
      response.end(readFileSync(file));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${server.address().port}/`;
    for (const where of [pathToFileURL(file).href, url]) {
      requests.length = 0;
      const page = await open({ url: where });
      await page.selectOption("#capture", "v1-run-256m");
      await choose(page, "/proc/cpuinfo");
      await page.locator("#decides button").first().click();
      await decideBy(page, "two-cpus");
      assert.equal(await bring(page, "two.wasm", readFileSync(files[0])), "");
      // What the page made itself is not asked of anybody.
      assert.deepEqual(requests.filter((request) => !/^(data|blob):/.test(request)), [where]);
      // The policy of the page does not let it ask for anything.
      const answer = await page.evaluate((url) => fetch(`${url}other`).then(() => "answered", () => "refused"), url);
      assert.equal(answer, "refused");
      assert.match(complaints.splice(0).join("\n"), /Content Security Policy/);
      // Nor does it let a worker, where a person's own policy runs.
      const ofWorker = await page.evaluate((url) => {
        const script = `
          addEventListener("securitypolicyviolation", ({ effectiveDirective }) => postMessage(effectiveDirective));
          fetch("${url}other").then(() => postMessage("answered"), () => {});`;
        const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
        return new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
      }, url);
      assert.equal(ofWorker, "connect-src");
      assert(!asked.includes("/other"), asked.join());
      await page.close();
      // The worker's own complaint comes later, or not at all.
      complaints.splice(0).forEach((complaint) => assert.match(complaint, /Content Security Policy/));
    }
    server.close();
    server.closeAllConnections();
  },

  /** The example of `docs/embedding.md`, from a server of files. */
  async example() {
    const [site, expected] = files;
    const types = { html: "text/html", js: "text/javascript", wasm: "application/octet-stream" };
    const asked = [];
    const server = createServer(({ url }, response) => {
      const path = url === "/" ? "/index.html" : url;
      asked.push(path);
      try {
        const content = readFileSync(join(site, path));
        response.setHeader("content-type", types[path.split(".").at(-1)] ?? "application/json");
        response.end(content);
      } catch {
        response.writeHead(404).end();
      }
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const page = await browser.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction(() => document.getElementById("text").textContent !== "");
    const { text: meminfo } = json(expected).find(({ path }) => path === "/proc/meminfo");
    assert.equal(await page.locator("#text").textContent(), meminfo);
    assert(asked.includes("/node_modules/@vproc/policy/policy/policy.core.wasm"), asked.join());
    server.close();
    server.closeAllConnections();
  },
};

try {
  await checks[check]();
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
