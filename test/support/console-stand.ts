import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { AdministrationDependencies } from "#gateway/administration/app.ts";
import { SESSION_COOKIE } from "#gateway/administration/caller.ts";
import { buildConsole } from "../../scripts/build-console.ts";
import { openTestAdministration, type TestAdministration } from "./administration.ts";
import { launchChromium } from "./chromium.ts";
import { DESK, lookAt, PHONE, PICTURE_FOLDER } from "./console-look.ts";
import { PROJECT_FOLDER } from "./project-files.ts";
import { PATIENCE_MS } from "./until.ts";

const BUILT_FOLDER = path.join(PROJECT_FOLDER, "console/dist");

/** The built console over a real administration API and database, looked at by a real browser. */
export class ConsoleStand {
	readonly administration: TestAdministration;
	readonly url: string;
	readonly #browser: Browser;
	/** Of whoever visits without wanting a new one. */
	#kept: BrowserContext | undefined;
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

	/**
	 * A tab that is signed in with an admin key, at a desk in the light. It is of one browser that keeps the files it has loaded, as that of a person does, and
	 * whoever visits next is signed in there instead: close the tab first. `path` is below /console.
	 */
	async visit(path: string, { prepare, adminKey = this.administration.adminKey, isNewBrowser = false }: VisitOptions = {}): Promise<Page> {
		const context = isNewBrowser ? await this.#openBrowser() : await this.#keptBrowser();
		await context.clearCookies();
		if (adminKey !== null) await context.addCookies([{ name: SESSION_COOKIE, value: await this.#signIn(adminKey), url: this.url }]);
		const page = await context.newPage();
		this.#listen(page);
		await prepare?.(page);
		await page.goto(`${this.url}/console${path}`);
		return page;
	}

	async #keptBrowser(): Promise<BrowserContext> {
		if (this.#kept !== undefined) return this.#kept;
		const context = await this.#openBrowser();
		context.on("close", () => {
			this.#kept = undefined;
		});
		this.#kept = context;
		return context;
	}

	async #openBrowser(): Promise<BrowserContext> {
		const context = await this.#browser.newContext({ viewport: DESK, colorScheme: "light", timezoneId: "America/New_York", locale: "en-GB" });
		context.setDefaultTimeout(PATIENCE_MS);
		return context;
	}

	async #signIn(adminKey: string): Promise<string> {
		const answer = await this.administration.app.inject({ method: "POST", url: "/admin/v1/session", payload: { adminKey } });
		const cookie = answer.cookies.find(({ name }) => name === SESSION_COOKIE);
		if (cookie === undefined) throw new Error(`no session: ${answer.body}`);
		return cookie.value;
	}

	#listen(page: Page): void {
		page.on("console", (message) => {
			if (["error", "warning"].includes(message.type())) this.complaints.push(`${message.text()} (${message.location().url})`);
		});
		page.on("pageerror", (error) => this.complaints.push(error.message));
	}

	/** Pictures of a page that is opened on a phone in the dark, as `lookAt` takes them. `isReady` waits for what it is about. */
	async picture(name: string, path: string, isReady: (page: Page) => Promise<unknown>): Promise<void> {
		const prepare = async (page: Page): Promise<void> => {
			await page.setViewportSize(PHONE);
			await page.emulateMedia({ colorScheme: "dark" });
		};
		const page = await this.visit(path, { prepare });
		await isReady(page);
		await lookAt(page, name);
		await page.close();
	}
}

export type VisitOptions = {
	/** Default: that of "ada", an operator; null: nobody is signed in. */
	readonly adminKey?: string | null;
	/** Before the first request: routes that fail, and the like. */
	readonly prepare?: ((page: Page) => Promise<unknown>) | undefined;
	/** With nothing kept from before; it is the visitor's to close. Default false. */
	readonly isNewBrowser?: boolean;
};
