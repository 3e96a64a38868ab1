import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { parsePriceFile } from "#activities/pricebooks/price-file.ts";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { until } from "#test/support/until.ts";

/** Policy, keys and prices, with the prices that are delivered. */

const HTML = "<img src=x onerror=alert(1)>";
const PRICE_FOLDER = path.join(PROJECT_FOLDER, "config/prices");
const POLICY = `version: 1
organization:
  budgets:
    - { window: month, limitUsd: "5000" }
teams:
  search:
    features: [answers]
    budgets:
      - { window: day, limitUsd: "25" }
      - { window: month, limitUsd: "400" }
  ads:
    budgets:
      - { window: month, limitUsd: "900" }
`;

const [OPERATOR, VIEWER, OWNER] = ["operator", "viewer", "team-owner"] as const;

describe.skipIf(CHROMIUM === undefined)(`policy, keys and prices in the console ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;
	/** Of admin keys by role. */
	const keys = new Map<string, string>();
	let first: string;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		for (const role of [VIEWER]) keys.set(role, (await stand.ask<{ key: string }>("POST", "/admin-keys", { name: role, role })).key);
		const { pool } = stand.administration;
		for (const name of readdirSync(PRICE_FOLDER).filter((file) => /^(openai|anthropic)-/.test(file)))
			await loadPriceFile(pool, parsePriceFile(readFileSync(path.join(PRICE_FOLDER, name), "utf8"), name), "seed", "test");
	}, 120_000);
	afterAll(() => stand?.close());

	/** Of what a browser says by itself when an answer is no success. */
	function complaints(): string[] {
		return stand.complaints.splice(0).filter((words) => !words.startsWith("Failed to load resource"));
	}

	async function look(at: string, as: string, see: (page: Page) => Promise<void>, prepare?: (page: Page) => Promise<unknown>): Promise<void> {
		const page = await stand.visit(at, { prepare, adminKey: keys.get(as) ?? stand.administration.adminKey });
		await see(page);
		await page.close();
		expect(complaints()).toEqual([]);
	}

	const answerBadly = (at: string) => (page: Page) =>
		page.route(at, (route) => route.fulfill({ status: 500, json: { error: { code: "internal.invariant", message: "It broke.", field: null } } }));

	test("before anything was set, each page says what to do", async () => {
		await look("/policy", VIEWER, async (page) => {
			await page.getByText("No policy file was applied yet.").waitFor();
			expect(await page.getByRole("link", { name: "Compare a file" }).count()).toBe(0);
		});
		await look("/keys", VIEWER, async (page) => {
			await page.getByText("There is no key here.").waitFor();
			expect(await page.getByRole("button", { name: "Create a key" }).count()).toBe(0);
		});
	});

	test("a file's mistakes are told by line, and a line is one click away", async () => {
		await look("/policy/compare", VIEWER, (page) => page.getByText("Your role does not include this.").waitFor());
		await look("/policy/compare", OPERATOR, async (page) => {
			const field = page.getByLabel("Policy as YAML");
			await field.fill(POLICY.replace('"400"', '"4oo"').replace("window: day", "window: dai"));
			await page.getByRole("button", { name: "Show what it would change" }).click();
			await page.getByRole("heading", { name: "2 mistakes" }).waitFor();
			await page.getByRole("button", { name: "Go to 10:" }).click();
			expect(
				await field.evaluate((area: { selectionStart: number; selectionEnd: number; value: string }) =>
					area.value.slice(area.selectionStart, area.selectionEnd),
				),
			).toContain('limitUsd: "4oo"');
			expect(await page.getByRole("button", { name: "Apply" }).count()).toBe(0);
		});
	});

	test("what a file would change is applied as it was looked at, and stands in the history", async () => {
		await look("/policy/compare", OPERATOR, async (page) => {
			await page.getByLabel("Policy as YAML").fill(POLICY);
			await page.getByRole("button", { name: "Show what it would change" }).click();
			await page.getByRole("button", { name: "Apply" }).click();
			await stand.ask("POST", "/teams", { id: "between" });
			await page.getByRole("dialog").getByRole("button", { name: "Put in force" }).click();
			await page.getByText("Nothing was applied").waitFor();
			await page.getByRole("button", { name: "Apply" }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Put in force" }).click();
			await page.getByText("Every gateway acts on it.").waitFor();
			const link = page.getByRole("link", { name: /^Revision \d+$/ });
			first = ((await link.textContent()) ?? "").replace("Revision ", "");
			await link.click();
			await page.getByRole("heading", { name: `Policy revision ${first}` }).waitFor();
			expect(await page.locator(".document").first().textContent()).toContain('limitUsd: "900"');
		});
		await look("/policy", VIEWER, async (page) => {
			await page.getByRole("link", { name: first, exact: true }).click();
			await page.getByRole("heading", { name: "What it changed" }).waitFor();
		});
		keys.set(OWNER, (await stand.ask<{ key: string }>("POST", "/admin-keys", { name: OWNER, role: OWNER, teamIds: ["search"] })).key);
		await look("/policy", OWNER, async (page) => {
			await page.locator(".document").first().waitFor();
			expect(await page.getByRole("heading", { name: "History" }).count()).toBe(0);
		});
	});

	test("a key is shown once, and is in no part of the page when its dialog is closed", async () => {
		await look("/keys?team=search", OPERATOR, async (page) => {
			await page.getByRole("button", { name: "Create a key" }).click();
			const form = page.getByRole("dialog", { name: "Create a key" });
			await form.getByText("Whoever holds the key spends money of team search").waitFor();
			await form.getByLabel("Feature", { exact: true }).fill(" x ".repeat(80));
			await form.getByLabel("Models").fill("gpt-test, no-such-model");
			await form.getByLabel("Feature", { exact: true }).fill(HTML);
			await form.getByLabel("Models").fill("");
			await form.getByRole("button", { name: "Create" }).click();
			const secret = await readSecret(page);
			await page.keyboard.press("Escape");
			await page.getByRole("dialog", { name: "The new key" }).getByRole("button", { name: "Copy" }).click();
			await page.getByRole("button", { name: "I have it" }).click();
			await page.getByRole("dialog").waitFor({ state: "detached" });
			await page.getByText(`feature ${HTML}`).waitFor();
			expect(await page.locator("main img").count()).toBe(0);
			expect(await holdsText(page, secret)).toEqual([]);
		});
	});

	test("a key is rotated with an overlap and revoked, by operators alone", async () => {
		const { id } = await stand.ask<{ id: string }>("POST", "/keys", {
			teamId: "search",
			environment: "production",
			models: ["gpt-test"],
			expiresInMs: 86_400_000,
		});
		await look("/keys", OPERATOR, async (page) => {
			await page.getByRole("button", { name: `Rotate ${id}` }).click();
			await page.getByRole("dialog").getByText("calls with it have cost 0.00 USD this month").waitFor();
			await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
			const secret = await readSecret(page);
			await page.getByRole("button", { name: "I have it" }).click();
			expect(await holdsText(page, secret)).toEqual([]);
			await page.getByRole("button", { name: `Revoke ${id}` }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
			await page.getByRole("row").filter({ hasText: id }).getByText("revoked").first().waitFor();
		});
		await look("/keys", OWNER, async (page) => {
			await page.getByRole("row").filter({ hasText: id }).first().waitFor();
			expect(await page.getByRole("button", { name: /^(Rotate|Revoke|Create)/ }).count()).toBe(0);
		});
	});

	test("prices are found by name, and a usage is priced with how that was made", async () => {
		await look("/keys?show=prices", OWNER, async (page) => {
			await page.getByLabel("Search").fill("openai gpt-test");
			await page.getByText("1 of 71 models").waitFor();
			expect(new URL(page.url()).searchParams.get("find")).toBe("openai gpt-test");
			await page.getByRole("button", { name: "Check what gpt-test costs" }).click();
			await page.getByRole("button", { name: "Check", exact: true }).click();
			await page.getByRole("status").locator("data[value='35000000']").waitFor();
			await page.getByLabel("Of it from the cache").fill("20000");
			await page.getByRole("button", { name: "Check", exact: true }).click();
			await page.getByRole("alert").getByText("Not priced").waitFor();
			await page.getByLabel("Search").fill("no such thing");
			await page.getByText("No model is called that.").waitFor();
		});
	});

	test("where the API fails the page says so and the rest stays", async () => {
		await look("/policy", VIEWER, (page) => page.getByText("Policy: the API failed").waitFor(), answerBadly("**/admin/v1/policy"));
		await look("/policy/1", VIEWER, (page) => page.getByText("No policy was applied as revision 1").waitFor());
		await look("/keys?team=nobody", VIEWER, (page) => page.getByText("There is no team nobody").first().waitFor());
		await look("/keys?show=prices", VIEWER, (page) => page.getByText("Prices: the API failed").waitFor(), answerBadly("**/admin/v1/prices"));
		await look(
			"/keys",
			VIEWER,
			(page) => page.getByRole("row").nth(1).waitFor(),
			async (page) => {
				await page.route("**/admin/v1/keys?*", async (route) => {
					await until("the page to say that it waits", () => page.getByText("the API has not answered yet").first().isVisible());
					await route.continue();
				});
			},
		);
	});

	test.each<[string, () => string, (page: Page) => Promise<unknown>]>([
		["policy", () => "/policy", (page) => page.getByRole("link", { name: first, exact: true }).waitFor()],
		["policy-revision", () => `/policy/${first}`, (page) => page.locator(".document").nth(1).waitFor()],
		[
			"policy-mistakes",
			() => "/policy/compare",
			async (page) => {
				await page.getByLabel("Policy as YAML").fill(POLICY.replace('"400"', '"4oo"').replace("window: day", "window: dai"));
				await page.getByRole("button", { name: "Show what it would change" }).click();
				await page.getByRole("heading", { name: "2 mistakes" }).waitFor();
			},
		],
		[
			"policy-compare",
			() => "/policy/compare",
			async (page) => {
				await page.getByLabel("Policy as YAML").fill(POLICY.replace('"400"', '"450"').replace('"5000"', '"4000"'));
				await page.getByRole("button", { name: "Show what it would change" }).click();
				await page.getByRole("button", { name: "Apply" }).waitFor();
			},
		],
		["keys", () => "/keys", (page) => page.getByRole("row").nth(1).waitFor()],
		[
			"key-create",
			() => "/keys?team=search",
			async (page) => {
				await page.getByRole("button", { name: "Create a key" }).click();
				await page.getByText("it has spent 0.00 USD today").waitFor();
			},
		],
		[
			"prices",
			() => "/keys?show=prices&find=gpt-5.1&model=gpt-5.1",
			async (page) => {
				await page.getByRole("button", { name: "Check", exact: true }).click();
				await page.getByText("price book version").first().waitFor();
				await page.getByRole("table", { name: "How the cost is made" }).waitFor();
			},
		],
	])("%s stands up to axe, on a phone and a desk, in light and dark", async (name, address, isReady) => {
		await stand.picture(name, address(), isReady);
		expect(complaints()).toEqual([]);
	});

	async function readSecret(page: Page): Promise<string> {
		const shown = page.getByRole("dialog", { name: "The new key" }).locator(".secret");
		await shown.waitFor();
		const secret = (await shown.textContent()) ?? "";
		expect(secret).toMatch(/^tg-[A-Za-z0-9_-]{43}$/);
		return secret;
	}

	/** Where a text still is: in the document, in what a browser keeps for a page, or in what the page's client keeps of answers. */
	function holdsText(page: Page, text: string): Promise<string[]> {
		return page.evaluate(
			`[["document", document.documentElement.outerHTML], ["storage", JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, location.href])]].filter(([, held]) => held.includes(${JSON.stringify(text)})).map(([place]) => place)`,
		);
	}
});
