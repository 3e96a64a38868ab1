import { mkdir } from "node:fs/promises";
import path from "node:path";
import axe, { type AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import type { AdministrationDependencies } from "#gateway/administration/app.ts";
import { SESSION_COOKIE } from "#gateway/administration/caller.ts";
import { buildConsole } from "../../scripts/build-console.ts";
import { openTestAdministration, type TestAdministration } from "./administration.ts";
import { launchChromium } from "./chromium.ts";
import { PROJECT_FOLDER } from "./project-files.ts";
import { until } from "./until.ts";

const BUILT_FOLDER = path.join(PROJECT_FOLDER, "console/dist");
export const PICTURE_FOLDER = path.join(PROJECT_FOLDER, "test/console/output");
const WIDTHS = [1440, 390] as const;
const SCHEMES = ["light", "dark"] as const;
const HEIGHT = 900;
const WCAG_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** The built console over a real administration API and database, looked at by a real browser. */
export class ConsoleStand {
	readonly administration: TestAdministration;
	readonly url: string;
	readonly #browser: Browser;
	/** What pages wrote to the browser's console, or threw. */
	readonly complaints: string[] = [];

	private constructor(administration: TestAdministration, url: string, browser: Browser) {
		this.administration = administration;
		this.url = url;
		this.#browser = browser;
	}

	static async open(options: Pick<AdministrationDependencies, "temporalUiUrl"> = {}): Promise<ConsoleStand> {
		await buildConsole();
		await mkdir(PICTURE_FOLDER, { recursive: true });
		const administration = await openTestAdministration({ consoleFolder: BUILT_FOLDER, ...options });
		const url = await administration.app.listen({ host: "127.0.0.1", port: 0 });
		return new ConsoleStand(administration, url, await launchChromium());
	}

	async close(): Promise<void> {
		await this.#browser.close();
		await this.administration.close();
	}

	/** Asks the administration API as its operator "ada", or whose key it is; @throws what it refuses. */
	async ask<Body>(method: "GET" | "POST" | "PUT" | "PATCH", url: string, payload?: object, adminKey = this.administration.adminKey): Promise<Body> {
		const answer = await this.administration.app.inject({
			method,
			url: `/admin/v1${url}`,
			headers: { authorization: `Bearer ${adminKey}` },
			...(payload && { payload }),
		});
		if (answer.statusCode >= 300) throw new Error(`${method} ${url}: ${answer.body}`);
		return answer.json<Body>();
	}

	/** A browser of its own, signed in with an admin key and without anything else kept from before. `path` is below /console. */
	async visit(path: string, { width = WIDTHS[0], scheme = SCHEMES[0], prepare, adminKey = this.administration.adminKey }: VisitOptions = {}): Promise<Page> {
		const context = await this.#browser.newContext({
			viewport: { width, height: HEIGHT },
			colorScheme: scheme,
			timezoneId: "America/New_York",
			locale: "en-GB",
		});
		if (adminKey !== null) await context.addCookies([{ name: SESSION_COOKIE, value: await this.#signIn(adminKey), url: this.url }]);
		const page = await context.newPage();
		this.#listen(page);
		await prepare?.(page);
		await page.goto(`${this.url}/console${path}`);
		return page;
	}

	async #signIn(adminKey: string): Promise<string> {
		const answer = await this.administration.app.inject({ method: "POST", url: "/admin/v1/session", payload: { adminKey } });
		const cookie = answer.cookies.find(({ name }) => name === SESSION_COOKIE);
		if (cookie === undefined) throw new Error(`no session: ${answer.body}`);
		return cookie.value;
	}

	#listen(page: Page): void {
		page.on("console", (message) => {
			if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
		});
		page.on("pageerror", (error) => this.complaints.push(error.message));
	}

	/** Pictures of a page at both widths and in both schemes, each judged by axe. `isReady` waits for what it is about. */
	async picture(name: string, path: string, isReady: (page: Page) => Promise<unknown>, prepare?: VisitOptions["prepare"]): Promise<void> {
		for (const width of WIDTHS)
			for (const scheme of SCHEMES) {
				const page = await this.visit(path, { width, scheme, prepare });
				await isReady(page);
				await settle(page);
				await page.screenshot({ path: `${PICTURE_FOLDER}/${name}-${width}-${scheme}.png`, fullPage: true });
				expect(await findViolations(page), `${name} at ${width} in ${scheme}`).toEqual([]);
				expect(await overflow(page), `${name} at ${width} scrolls sideways`).toBe(0);
				await page.context().close();
			}
	}
}

export type VisitOptions = {
	readonly width?: number;
	readonly scheme?: "light" | "dark";
	/** Default: that of "ada", an operator; null: nobody is signed in. */
	readonly adminKey?: string | null;
	/** Before the first request: routes that fail, and the like. */
	readonly prepare?: ((page: Page) => Promise<unknown>) | undefined;
};

/** Nothing is being waited for, and movements are over. */
export async function settle(page: Page): Promise<void> {
	await until("nothing to be waited for", async () => (await page.locator("[aria-busy=true]").count()) === 0);
	await page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined)))");
}

/** Violations of WCAG 2 A and AA, each as rule and element. */
export async function findViolations(page: Page): Promise<string[]> {
	await page.evaluate(axe.source);
	const { violations } = (await page.evaluate(`axe.run(document, { runOnly: { type: "tag", values: ${JSON.stringify(WCAG_TAGS)} } })`)) as AxeResults;
	return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
}

/** By how many pixels the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
	return page.evaluate("Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)");
}
