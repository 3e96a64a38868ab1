import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { findViolations } from "#test/support/console-look.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { HOSTILE_NAME, seedConsoleWorld } from "#test/support/console-world.ts";
import { until } from "#test/support/until.ts";

/** What a person sees when something is wrong, and how he goes on. */

/** Longer than a page waits for an answer. */
const LONGEST_WAIT_MS = 30_000;
const BUDGETS = "**/admin/v1/budgets*";
/** The browser itself writes these about every answer that is no success. */
const OF_THE_BROWSER = /Failed to load resource/;

describe.skipIf(CHROMIUM === undefined)(`states of the console ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		await seedConsoleWorld(stand);
	});
	afterEach(() => expect(stand.complaints.splice(0).filter((complaint) => !OF_THE_BROWSER.test(complaint))).toEqual([]));
	afterAll(() => stand?.close());

	const close = (page: Page) => page.close();
	const addressOf = (page: Page) => new URL(page.url()).pathname + new URL(page.url()).search;
	const budgetsAreThere = (page: Page) => page.getByText("only observed", { exact: true }).waitFor();

	test("who is not signed in signs in with the keyboard alone, and is where he wanted to be", async () => {
		const page = await stand.visit("/budgets?team=research", { adminKey: null });
		await page.getByRole("heading", { name: "Sign in to Tollgate" }).waitFor();
		expect(await findViolations(page)).toEqual([]);
		await page.keyboard.press("Tab");
		await page.keyboard.type("tga-wrong");
		await page.keyboard.press("Enter");
		await page.getByText("Not signed in").waitFor();
		await page.getByLabel("Admin key").focus();
		await page.keyboard.press("ControlOrMeta+A");
		await page.keyboard.type(stand.administration.adminKey);
		await page.keyboard.press("Enter");
		await budgetsAreThere(page);
		expect(addressOf(page)).toBe("/console/budgets?team=research");
		await page.keyboard.press("Tab");
		expect(await page.evaluate("document.activeElement.tagName")).not.toBe("BODY");
		await close(page);
	});

	test("a one-time link opens a session once, and its secret leaves the address", async () => {
		const { path } = await stand.ask<{ path: string }>("POST", "/console-links", {});
		const enter = path.replace("/console", "");
		const first = await stand.visit(enter, { adminKey: null });
		await first.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
		expect(first.url()).toBe(`${stand.url}/console`.concat(first.url().endsWith("/") ? "/" : ""));
		await close(first);
		const second = await stand.visit(enter, { adminKey: null });
		await second.getByText("Not signed in").waitFor();
		expect(second.url()).not.toContain("#");
		await close(second);
	});

	test("a forged cookie is nobody's, and signing out ends the session", async () => {
		const page = await stand.visit("/budgets");
		await budgetsAreThere(page);
		await page.getByRole("button", { name: "Sign out" }).click();
		await page.getByRole("heading", { name: "Sign in to Tollgate" }).waitFor();
		await page.context().addCookies([{ name: "tollgate_session", value: "forged", url: stand.url }]);
		await page.reload();
		await page.getByRole("heading", { name: "Sign in to Tollgate" }).waitFor();
		await close(page);
	});

	test("a session that ends while somebody works asks who it is, and goes on at the same place", async () => {
		const page = await stand.visit("/budgets");
		await budgetsAreThere(page);
		await page.context().clearCookies();
		await page.getByRole("link", { name: "Explore", exact: true }).click();
		await page.getByLabel("Admin key").fill(stand.administration.adminKey);
		await page.getByRole("button", { name: "Sign in" }).click();
		await page.getByText("in 4 groups").waitFor();
		expect(addressOf(page)).toBe("/console/explore");
		await close(page);
	});

	test("an API that fails is told with its words, and asked again", async () => {
		const page = await stand.visit("/budgets", {
			prepare: (to) =>
				to.route(BUDGETS, (route) => route.fulfill({ status: 500, json: { error: { code: "internal.invariant", message: "It broke.", field: null } } })),
		});
		await page.getByText("Budgets: the API failed").waitFor();
		await page.getByText("It broke.").waitFor();
		expect(await findViolations(page)).toEqual([]);
		await page.unroute(BUDGETS);
		await page.getByRole("button", { name: "Try again" }).click();
		await budgetsAreThere(page);
		await close(page);
	});

	test.each([
		["cannot be reached", (page: Page) => page.route(BUDGETS, (route) => route.abort("connectionrefused")), "The API cannot be reached"],
		["breaks off", (page: Page) => page.route(BUDGETS, (route) => route.fulfill({ contentType: "application/json", body: '{"budgets":[{"id"' })), "broke off"],
		["is slow", (page: Page) => page.route(BUDGETS, () => undefined), "has not answered yet"],
		["does not answer", (page: Page) => page.route(BUDGETS, () => undefined), "did not answer within 10 seconds"],
	])("an API that %s: the page says so and the rest of it stays usable", async (_, prepare, words) => {
		const page = await stand.visit("/budgets", { prepare });
		await page.getByText(words).first().waitFor({ timeout: LONGEST_WAIT_MS });
		await page.getByText("Dunning run of the quarter").waitFor();
		await close(page);
	});

	test("what was known stays with its time when it cannot be read again", async () => {
		const page = await stand.visit("/budgets");
		await budgetsAreThere(page);
		await page.route(BUDGETS, (route) => route.fulfill({ status: 503, json: { error: { code: "governance.unreachable", message: "Not now.", field: null } } }));
		await page.getByRole("button", { name: "Approve" }).first().click();
		await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
		await page.getByText(/As of \d\d:\d\d:\d\d .*Not now\./).waitFor();
		await budgetsAreThere(page);
		await close(page);
	});

	test("a rejection needs a reason, and says who decided", async () => {
		const { key } = await stand.ask<{ key: string }>("POST", "/admin-keys", { name: "bob" });
		await stand.ask("POST", "/increases", { teamId: "research", windowKind: "month", dimension: "team", amountUsd: "1", reason: "for the test" }, key);
		const page = await stand.visit("/budgets?team=research");
		await page.getByRole("button", { name: "Reject" }).click();
		const dialog = page.getByRole("dialog");
		await dialog.getByLabel("Reason").fill("too much");
		expect(await findViolations(page)).toEqual([]);
		await dialog.getByRole("button", { name: "Reject" }).click();
		await page.getByText("Nobody asks for more.").waitFor();
		const { increases } = await stand.ask<{ increases: { status: string; decidedBy: string }[] }>("GET", "/increases?teamId=research&all=true");
		expect(increases[0]).toMatchObject({ status: "rejected", decidedBy: "ada" });
		await close(page);
	});

	test("what somebody else changes is shown without asking for it", async () => {
		const { key } = await stand.ask<{ key: string }>("POST", "/admin-keys", { name: "eve" });
		const page = await stand.visit("/budgets?team=search");
		await page.getByText("live", { exact: true }).waitFor();
		await stand.ask("POST", "/increases", { teamId: "search", windowKind: "month", dimension: "team", amountUsd: "3", reason: "told by an event" }, key);
		await page.getByText("told by an event").waitFor();
		await close(page);
	});

	test("ten years are refused in words, and a shorter time works", async () => {
		const page = await stand.visit("/explore?range=dates&from=2016-01-01&to=2026-01-01");
		await page.getByText("ask for five years at most").waitFor();
		await page.getByRole("combobox", { name: "Time" }).click();
		await page.getByRole("option", { name: "30 days" }).click();
		await page.getByText("in 4 groups").waitFor();
		expect(addressOf(page)).toBe("/console/explore?range=30d");
		await close(page);
	});

	test("a team owner who names another team in the address is told that it is not his, and sees his own", async () => {
		const { key } = await stand.ask<{ key: string }>("POST", "/admin-keys", { name: "tom", role: "team-owner", teamIds: ["support"] });
		const other = await stand.visit("/budgets?team=search", { adminKey: key });
		await other.getByText("Budgets: your role does not include this").waitFor();
		await close(other);
		const own = await stand.visit("/budgets", { adminKey: key });
		await own.getByText("Monthly, feature chat").first().waitFor();
		expect(await own.getByText("search", { exact: true }).count()).toBe(0);
		await close(own);
	});

	test("a row of Explore leads to a narrower question, then to its requests and to one of them", async () => {
		const page = await stand.visit("/explore?team=research&by=feature&range=90d");
		await page.getByRole("button", { name: HOSTILE_NAME }).click();
		await until("the filter to be in the address", () => new URL(page.url()).searchParams.get("feature") === HOSTILE_NAME);
		await page
			.getByRole("row", { name: /gpt-4o-mini/ })
			.getByRole("link", { name: "Show" })
			.click();
		await page.getByRole("heading", { name: "Newest calls" }).waitFor();
		await page.getByRole("table").getByRole("link").first().click();
		await page.getByRole("heading", { name: "What happened" }).waitFor();
		expect(await page.title()).toBe("Request · Tollgate");
		await close(page);
	});

	test("a request that is not in the books is told with what the books know", async () => {
		const page = await stand.visit("/requests/req_nothing");
		await page.getByText("The books hold no request req_nothing").waitFor();
		await close(page);
	});
});
