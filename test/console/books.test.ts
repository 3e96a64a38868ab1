import pg from "pg";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { monthBefore } from "#domain/chargeback/month.ts";
import { MonthLedger } from "#test/support/chargeback.ts";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { until } from "#test/support/until.ts";
import { generateLedger } from "../../bench/books/generate-ledger.ts";

/** Reports and statements over a generated ledger of twenty teams. */

const HTML = "<img src=x onerror=alert(1)>";
/** Over for long, whatever day it is. */
const MONTH = monthBefore(new Date().toISOString().slice(0, 7));
const DRAFTED = monthBefore(MONTH);

const [FINANCE, VIEWER, OWNER] = ["finance", "viewer", "team-owner"] as const;

describe.skipIf(CHROMIUM === undefined)(`reports and statements in the console ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;
	/** Of admin keys by role. */
	const keys = new Map<string, string>();
	let ledger: MonthLedger;
	let daily: string;
	let monthly: string;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		const client = new pg.Client({ connectionString: stand.administration.databaseUrl });
		await client.connect();
		await generateLedger(client, { attempts: 4_000, days: 90, seed: 5 }, () => undefined);
		await client.query("UPDATE tollgate.entry SET amount_nano_usd = amount_nano_usd * 900");
		await client.end();
		for (const role of [FINANCE, VIEWER]) keys.set(role, (await stand.ask<{ key: string }>("POST", "/admin-keys", { name: role, role })).key);
		keys.set(OWNER, (await stand.ask<{ key: string }>("POST", "/admin-keys", { name: OWNER, role: OWNER, teamIds: ["team-3", "team-4"] })).key);
		ledger = MonthLedger.over(stand.administration.databaseUrl, stand.administration.pool);
		await ledger.book(
			["team/team-0", "team/@unknown"].map((account) => ({
				at: `${MONTH}-10T12:00:00Z`,
				account,
				cost: 60_000_000_000n,
				feature: HTML,
				user: HTML,
				model: HTML,
			})),
		);
		await ledger.rules({
			pools: [{ name: "platform", of: { team: "team-19" }, split: "even", among: ["team-0", "team-1", "team-2"], shares: {} }],
			marginBasisPoints: 250,
			margins: { "team-1": -100 },
		});
		await ledger.closeMonth(DRAFTED);
		await ledger.draft(MONTH);
		({ id: daily } = await stand.ask<{ id: string }>("POST", "/reports", { kind: "daily" }));
		await stand.ask("POST", "/reports", { kind: "weekly", teamId: "team-3" });
		({ id: monthly } = await stand.ask<{ id: string }>("POST", "/reports", { kind: "monthly" }));
	}, 120_000);
	afterAll(() => stand?.close());

	/** Of what a browser says by itself when an answer is no success. */
	function complaints(): string[] {
		return stand.complaints.splice(0).filter((words) => !words.startsWith("Failed to load resource"));
	}

	async function look(path: string, as: string, see: (page: Page) => Promise<void>, prepare?: (page: Page) => Promise<unknown>): Promise<void> {
		const page = await stand.visit(path, { prepare, adminKey: keys.get(as) ?? stand.administration.adminKey });
		await see(page);
		await page.close();
		expect(complaints()).toEqual([]);
	}

	const answerSlowly = (path: string) => async (page: Page) => {
		await page.route(path, async (route) => {
			await until("the page to say that it waits", () => page.getByText("the API has not answered yet").first().isVisible());
			await route.continue();
		});
	};
	const answerBadly = (path: string) => (page: Page) =>
		page.route(path, (route) => route.fulfill({ status: 500, json: { error: { code: "internal.invariant", message: "It broke.", field: null } } }));

	const row = (words: string) => (page: Page) => page.getByRole("table").first().getByText(words).first().waitFor();
	test.each<[string, () => string, (page: Page) => Promise<unknown>]>([
		["reports", () => "/reports", row("The organisation")],
		["report-daily", () => `/reports/${daily}`, (page) => page.getByRole("heading", { name: "Daily report: the organisation" }).waitFor()],
		["statements", () => "/statements", row("waits for approval")],
		["statement-month", () => `/statements/${MONTH}`, (page) => page.getByText("Costs add up to what the ledger booked").waitFor()],
		["chargeback-rules", () => "/statements/rules", row("platform")],
	])("%s stands up to axe, on a phone and a desk, in light and dark", async (name, address, isReady) => {
		await stand.picture(name, address(), isReady);
		expect(complaints()).toEqual([]);
	});

	test("reports are listed by kind and team, and one leads to its page and text", async () => {
		await look("/reports", VIEWER, async (page) => {
			await page.getByRole("link", { name: "Week from" }).waitFor();
			expect(await page.getByRole("button", { name: "Write a report" }).count()).toBe(0);
			await page.getByText("Monthly", { exact: true }).first().click();
			await until("the kind to be in the address", () => new URL(page.url()).searchParams.get("kind") === "monthly");
			await until("the list to follow", async () => (await page.getByRole("link", { name: "Week from" }).count()) === 0);
			await page.goto(`${stand.url}/console/reports?team=team-3`);
			await page.getByRole("link", { name: "Week from" }).click();
			await page.getByRole("heading", { name: "Weekly report: team team-3" }).waitFor();
			const html = await page.getByRole("link", { name: "HTML" }).getAttribute("href");
			expect((await page.request.get(`${stand.url}${html}`)).headers()["content-type"]).toContain("text/html");
			const markdown = await page.getByRole("link", { name: "Markdown" }).getAttribute("href");
			expect(await (await page.request.get(`${stand.url}${markdown}`)).text()).toContain("# Weekly report: team team\\-3".replace("\\-", "-"));
		});
	});

	test("finance writes one that is missing, is told where there is none to write, and reads that nothing has changed", async () => {
		await look("/reports?team=team-5", FINANCE, async (page) => {
			await page.getByText("There is no such report.").waitFor();
			await page.getByRole("button", { name: "Write a report" }).first().click();
			const dialog = page.getByRole("dialog");
			await dialog.getByLabel("A day of its period").fill("1 Jan 2001");
			await dialog.getByRole("button", { name: "Write it" }).click();
			await dialog.getByRole("alert").getByText("more than ten years ago").waitFor();
			await dialog.getByLabel("A day of its period").fill("");
			await dialog.getByRole("button", { name: "Write it" }).click();
			await page.getByRole("heading", { name: "Daily report: team team-5" }).waitFor();
			await page.getByRole("button", { name: "Write anew" }).click();
			await page.getByText("Nothing has changed in the books since edition 1.").waitFor();
		});
	});

	test("names are text in reports and statements, whatever they hold", async () => {
		await look(`/reports/${monthly}`, VIEWER, async (page) => {
			await page.getByText(HTML).first().waitFor();
			expect(await page.locator("main img").count()).toBe(0);
		});
		await look(`/statements/${MONTH}?of=team-0`, VIEWER, async (page) => {
			await page.getByRole("heading", { name: "Lines of team-0" }).waitFor();
			await page.getByText(HTML).first().waitFor();
			expect(await page.locator("main img").count()).toBe(0);
		});
	});

	test("a report that is not there, an API that fails or is slow: the page says so and stays usable", async () => {
		await look("/reports/daily-2001-01-01", VIEWER, async (page) => {
			await page.getByRole("alert").getByText("There is no report daily-2001-01-01").waitFor();
			await page.getByRole("link", { name: "All reports" }).click();
			await page.getByRole("link", { name: "Week from" }).waitFor();
		});
		await look(
			"/reports",
			VIEWER,
			(page) => page.getByRole("alert").getByRole("button", { name: "Try again" }).waitFor(),
			answerBadly("**/admin/v1/reports?*"),
		);
		await look("/statements", VIEWER, (page) => page.getByText("closed", { exact: true }).waitFor(), answerSlowly("**/admin/v1/statements"));
		await look(
			`/statements/${MONTH}`,
			VIEWER,
			async (page) => {
				await page.getByText("Lines: the API failed").waitFor();
				await page.getByText("Costs add up to what the ledger booked").waitFor();
			},
			answerBadly("**/lines?*"),
		);
		await look("/statements/2001-01", VIEWER, (page) => page.getByText("Month 2001-01 has no statements").waitFor());
		await look("/statements/never", VIEWER, (page) => page.getByText('"never" is no month like 2026-10').first().waitFor());
	});

	test("a month adds up to the nano-dollar, and its lines come page by page and as one file", async () => {
		await look(`/statements/${MONTH}`, FINANCE, async (page) => {
			const { month } = await stand.ask<{ month: { costNanoUsd: string; chargeNanoUsd: string } }>("GET", `/statements/${MONTH}`);
			const table = page.getByRole("region", { name: "Statements by team" });
			await table.waitFor();
			expect(await table.locator("tfoot data").evaluateAll((cells) => cells.map((cell) => cell.getAttribute("value")))).toEqual(
				expect.arrayContaining([month.costNanoUsd, month.chargeNanoUsd]),
			);
			await page.getByRole("link", { name: "Next page" }).click();
			await until("the page to be in the address", () => new URL(page.url()).searchParams.get("afterLine") !== null);
			await page.getByRole("link", { name: "First page" }).click();
			const { lines } = await stand.ask<{ lines: readonly unknown[] }>("GET", `/statements/${MONTH}/lines`);
			const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download CSV" }).click()]);
			expect(download.suggestedFilename()).toBe(`statements-${MONTH}.csv`);
			const chunks: Buffer[] = [];
			for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
			expect(Buffer.concat(chunks).toString().trimEnd().split("\n")).toHaveLength(lines.length + 1);
		});
	});

	test("who may close it approves what he looked at, with a reason; a refusal is shown as the API says it", async () => {
		await look(`/statements/${MONTH}`, VIEWER, async (page) => {
			await page.getByText("waits for approval").waitFor();
			expect(await page.getByRole("button", { name: "Approve" }).count()).toBe(0);
		});
		await look(`/statements/${MONTH}`, FINANCE, async (page) => {
			await page.getByRole("button", { name: "Approve" }).click();
			const dialog = page.getByRole("dialog");
			await dialog.getByText(/^21 teams are charged [\d,]+\.\d\d USD, as draft 1 says/).waitFor();
			await dialog.getByLabel("Reason").fill("as agreed");
			await dialog.getByRole("button", { name: "Approve and close" }).click();
			await dialog.getByRole("alert").getByText("months cannot be closed here").waitFor();
			// As its workflow would.
			await page.route("**/approve", async (route) => {
				expect(route.request().postDataJSON()).toEqual({ reason: "as agreed", draft: 1 });
				await ledger.activities().decideMonth({ month: MONTH, draft: 1, isClosed: true, by: "ada", reason: "as agreed" });
				await route.fulfill({ json: (await stand.ask<{ month: object }>("GET", `/statements/${MONTH}`)).month });
			});
			await dialog.getByRole("button", { name: "Approve and close" }).click();
			await dialog.waitFor({ state: "detached" });
			await page.getByText("ada: as agreed").waitFor();
			expect(await page.getByRole("button", { name: "Approve" }).count()).toBe(0);
		});
	});

	test("a team owner sees no rules; who reads them all does not set them; finance does", async () => {
		await look("/statements", OWNER, async (page) => {
			await page.getByText("closed", { exact: true }).first().waitFor();
			expect(await page.getByRole("link", { name: "Chargeback rules" }).count()).toBe(0);
		});
		await look(`/statements/${MONTH}`, OWNER, (page) => page.getByRole("heading", { name: "Lines of team-3" }).waitFor());
		await look("/statements/rules", VIEWER, async (page) => {
			await page.getByText("evenly among team-0, team-1, team-2").waitFor();
			expect(await page.getByRole("button", { name: "Change" }).count()).toBe(0);
		});
		await look("/statements/rules", FINANCE, async (page) => {
			await page.getByRole("button", { name: "Change" }).click();
			const dialog = page.getByRole("dialog");
			await dialog.getByLabel("Margin in percent").fill("1.5");
			await dialog.getByLabel("Calendar").fill("Asia/Kolkata");
			await dialog.getByRole("button", { name: "Set the rules" }).click();
			await dialog.getByRole("alert").getByText("whole hours from UTC").waitFor();
			await dialog.getByLabel("Calendar").fill("Europe/Berlin");
			await dialog.getByLabel("Margins of single teams").fill("team-2 -0.25");
			await dialog.getByRole("button", { name: "Set the rules" }).click();
			await dialog.waitFor({ state: "detached" });
			await page.getByText("Europe/Berlin", { exact: true }).waitFor();
			expect(await stand.ask("GET", "/chargeback-rules")).toMatchObject({
				rules: { marginBasisPoints: 150, margins: { "team-2": -25 }, pools: [{ name: "platform" }] },
			});
		});
	});
});
