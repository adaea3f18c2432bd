/**
 * A real Chromium over the real API, scheduler and worker hosts. What a page must never do is collected while it is open and is a failure when it is
 * closed: errors on the console, uncaught errors, breaches of the content security policy, answers of 500 and more.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { ensureChromium, ensureDashboard } from '../../../scripts/setup.js';
import { type ApiStack, type ApiStackOptions, startApiStack } from '../../e2e/support/api-stack.ts';
import { root, Workbench } from '../../e2e/support/workbench.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const password = 'a password of this test';

export interface OpenOptions {
  readonly scheme?: 'light' | 'dark';
  readonly width?: number;
  /** Faults that the test brings about on purpose. */
  readonly expected?: RegExp;
}

export interface OpenPage {
  readonly page: Page;
  /** What went wrong so far. */
  readonly faults: readonly string[];
  /** Throws when something went wrong. */
  close(): Promise<void>;
}

export class BrowserBench {
  readonly bench: Workbench;
  readonly api: ApiStack;
  /** Of the account that is signed in. */
  readonly password: string = password;
  readonly #browser: Browser;
  readonly #context: BrowserContext;

  private constructor(bench: Workbench, api: ApiStack, browser: Browser, context: BrowserContext) {
    this.bench = bench;
    this.api = api;
    this.#browser = browser;
    this.#context = context;
  }

  /** Starts everything and makes the first account by the one-time link, in the page. */
  static async start(name: string, options: Partial<ApiStackOptions> = {}): Promise<BrowserBench> {
    ensureDashboard();
    const bench = new Workbench(name);
    const out = bench.path('out');
    const api = await startApiStack({ out, readRoots: [bench.home], dashboard: join(root, 'packages/dashboard/dist'), ...options });
    let browser: Browser | null = null;
    try {
      browser = await chromium.launch({ executablePath: ensureChromium(), args: ['--no-sandbox', '--disable-gpu'] });
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
      // A wait ends with what it waits for; only what never comes takes so long.
      context.setDefaultTimeout(120_000);
      const started = new BrowserBench(bench, api, browser, context);
      await started.#makeAccount();
      return started;
    } catch (error) {
      await browser?.close();
      await api.stop();
      await bench.close();
      throw error;
    }
  }

  async #makeAccount(): Promise<void> {
    const link = await this.api.running.firstSignIn();
    assert.ok(link !== null, 'an installation without an account offers a link');
    const { page, close } = await this.open(link, { expected: /401/ });
    await page.getByLabel('User').fill('nina');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Make the account and sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await close();
  }

  /** `path` below the server, or a whole address. */
  async open(path: string, { scheme = 'light', width = 1280, expected }: OpenOptions = {}): Promise<OpenPage> {
    const page = await this.#context.newPage();
    const faults: string[] = [];
    const note = (text: string): void => {
      if (expected?.test(text) !== true) faults.push(text);
    };
    page.on('console', (message) => {
      if (message.type() === 'error') note(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => note(`uncaught: ${error.message}`));
    page.on('response', (response) => {
      if (response.status() >= 500) note(`${response.status()} ${response.url()}`);
    });
    await page.addInitScript(
      "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))",
    );
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: width < 500 ? 780 : 900 });
    await page.goto(path.startsWith('http') ? path : `${this.api.url}${path}`, { waitUntil: 'domcontentloaded' });
    const close = async (): Promise<void> => {
      await page.close();
      assert.deepEqual(faults, [], path);
    };
    return { page, faults, close };
  }

  /** Without a session. */
  async openAsStranger(path: string): Promise<Page> {
    const context = await this.#browser.newContext();
    context.setDefaultTimeout(120_000);
    const page = await context.newPage();
    await page.goto(`${this.api.url}${path}`, { waitUntil: 'domcontentloaded' });
    return page;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.api.stop();
    await this.bench.close();
  }
}

interface AxeFinding {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

const everyRule = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] }";
/** The schemes differ in colours alone. */
const coloursAlone = "{ runOnly: { type: 'rule', values: ['color-contrast'] }, resultTypes: ['violations'] }";

/** All rules of WCAG 2.2 AA and the best practices, in light and in dark; what is found is shown with the element. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(`${axeSource}; undefined`);
  for (const [colorScheme, rules] of [
    ['light', everyRule],
    ['dark', coloursAlone],
  ] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor();
    const found = (await page.evaluate(`axe.run(document, ${rules}).then((result) => result.violations)`)) as AxeFinding[];
    const told = found.map(
      ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary = '' }) => `  ${html.slice(0, 300)}\n  ${failureSummary}`).join('\n')}`,
    );
    assert.equal(found.length, 0, `${what} ${colorScheme}: ${told.join('\n')}`);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
}

/** Nothing is wider than the screen. */
export async function expectNoSideways(page: Page, what: string): Promise<void> {
  const over = (await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')) as number;
  assert.ok(over <= 0, `${what} is ${over} px wider than the screen`);
}

/** Until a list has rows and listens to its keys: what is typed before that is lost. */
export async function rowsReady(page: Page): Promise<void> {
  await page.locator('[data-row]').first().waitFor();
  // Its keys are bound in the frame after the rows.
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
}

/** By keyboard, as soon as there is one. */
export async function toFirstRow(page: Page): Promise<void> {
  await rowsReady(page);
  await page.keyboard.press('j');
  await page.locator('[data-row][data-current]').waitFor();
}
