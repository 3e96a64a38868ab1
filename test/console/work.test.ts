import type { Page, Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { lookAt } from "#test/support/console-look.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { CHILD_RUN, FAILED_BATCH, LOOPING_RUN, PAUSED_RUN, RUNNING_BATCH, seedConsoleWork } from "#test/support/console-work.ts";
import { until } from "#test/support/until.ts";

/** Pages by name, address below /console, and what stands there. */
const PAGES = [
	["runs", "/runs", "Older"],
	["run-paused", `/runs/${PAUSED_RUN}`, "Approve more"],
	["run-looping", `/runs/${LOOPING_RUN}`, "repeats a call and its result"],
	["batches", "/batches", "completed"],
	["batch-failed", `/batches/${FAILED_BATCH}`, "What went wrong"],
	["items", "/batches/items?team=search", "Ends that no channel took"],
	["alerts", "/alerts", "is spent"],
	["alerts-dead", "/alerts?show=dead", "Send all of them again"],
] as const;
const LISTS = [
	["/runs?state=paused", "**/admin/v1/runs?*", "Runs", LOOPING_RUN],
	["/batches", "**/admin/v1/batches?*", "Batches", RUNNING_BATCH],
	["/alerts?show=all", "**/admin/v1/alerts?*", "Alerts", "is spent"],
] as const;
const TROUBLE = {
	next: "create",
	nextAt: new Date(Date.now() + 240_000).toISOString(),
	retries: 6,
	unresolved: 2,
	unknownLines: 0,
	trouble: { since: new Date(Date.now() - 1_200_000).toISOString(), step: "create", message: "the account has no room for more enqueued tokens" },
};

const WORKFLOW = { id: `batch-job/${RUNNING_BATCH}`, uiUrl: `http://temporal.example/namespaces/default/workflows/batch-job%2F${RUNNING_BATCH}` };

describe.skipIf(CHROMIUM === undefined)(`runs, batches and alerts in the console ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		await seedConsoleWork(stand);
	});
	afterEach(() => expect(stand.complaints.splice(0)).toEqual([]));
	afterAll(() => stand?.close());

	/** A browser says of every refused question that it failed; nothing else may be said. */
	function expectRefusals(): void {
		expect(stand.complaints.splice(0).filter((complaint) => !/^Failed to load resource: .* (?:404|409|422|500|503) /.test(complaint))).toEqual([]);
	}

	/** Visits, does, and leaves. */
	async function on(path: string, act: (page: Page) => Promise<unknown>, prepare?: (page: Page) => Promise<unknown>): Promise<void> {
		const page = await stand.visit(path, { prepare });
		await act(page);
		await page.close();
	}

	test.each(PAGES)("%s shows what there is, names as they are, in light and dark, on a desk and a phone, without a barrier", async (name, path, text) => {
		await on(path, async (page) => {
			await page.getByText(text).first().waitFor();
			await lookAt(page, name);
			expect([await page.locator("img").count(), await page.title()]).toEqual([0, expect.stringMatching(/ · Tollgate$/)]);
		});
	});

	test("a batch says what holds it up, what its workflow does next, and where that can be looked at", async () => {
		const prepare = async (page: Page): Promise<void> => {
			await page.route(`**/admin/v1/batches/${RUNNING_BATCH}`, (route) => amend(route, { progress: TROUBLE, workflow: WORKFLOW }));
		};
		await on(
			`/batches/${RUNNING_BATCH}`,
			async (page) => {
				await page.getByText("the account has no room for more enqueued tokens").waitFor();
				await page.getByText("creates the batch at the provider", { exact: false }).first().waitFor();
				const link = page.getByRole("link", { name: "Workflow in the Temporal UI" });
				expect(await link.getAttribute("href")).toBe(WORKFLOW.uiUrl);
				await lookAt(page, "batch-running");
			},
			prepare,
		);
	});

	test("filters and pages stand in the address, and lead there again", async () => {
		await on("/runs", async (page) => {
			await page.getByRole("link", { name: "Older" }).click();
			await page.getByRole("link", { name: "The newest" }).waitFor();
			expect(new URL(page.url()).searchParams.get("before")).toMatch(/^\d+$/);
			await page.getByText("Stopped", { exact: true }).click();
			await page.getByRole("heading", { name: "Runs that are stopped" }).waitFor();
			expect(new URL(page.url()).search).toBe("?state=stopped");
			await page.goto(page.url());
			await page.getByRole("heading", { name: "Runs that are stopped" }).waitFor();
			await page.getByRole("link", { name: "planner-9" }).click();
			await page.getByRole("heading", { name: "Run planner-9" }).waitFor();
		});
	});

	test.each([
		["/runs?team=quiet", "No agent has run yet."],
		["/batches?team=quiet", "No batch was handed in yet."],
		["/batches/items?team=quiet", "This team has handed in nothing alone."],
		["/batches/items", "Choose a team above."],
		["/alerts?team=quiet", "Nothing stands."],
	])("%s is empty and says what would stand there", async (path, text) => {
		await on(path, (page) => page.getByText(text).waitFor());
	});

	test.each(LISTS)("%s says that the API fails or is slow, and shows what there is when it answers again", async (path, url, what, text) => {
		let isBroken = true;
		const prepare = (page: Page) => page.route(url, (route) => (isBroken ? route.fulfill({ status: 500, body: "<h1>oops" }) : route.continue()));
		await on(
			path,
			async (page) => {
				await page
					.getByRole("alert")
					.filter({ hasText: `${what}: ` })
					.waitFor();
				isBroken = false;
				await page.getByRole("alert").getByRole("button", { name: "Try again" }).first().click();
				await page.getByText(text).first().waitFor();
			},
			prepare,
		);
		expectRefusals();
		let answer = (): void => undefined;
		const late = new Promise<void>((resolve) => {
			answer = resolve;
		});
		await on(
			path,
			async (page) => {
				await page.getByText(`${what}: the API has not answered yet`).first().waitFor();
				answer();
				await page.getByText(text).first().waitFor();
			},
			(page) => page.route(url, (route) => late.then(() => route.continue())),
		);
	});

	test.each([`/runs/nobody`, `/batches/${"batch_".padEnd(30, "x")}`, "/alerts/alr_nobody"])("%s is not there, and the page says so", async (path) => {
		await on(path, (page) => page.getByRole("alert").filter({ hasText: "not found" }).waitFor());
		expectRefusals();
	});

	const offered = async (path: string, text: string, role: string): Promise<string[]> => {
		let names: string[] = [];
		await on(
			path,
			async (page) => {
				await page.getByText(text).first().waitFor();
				await until("everything to be there", async () => (await page.locator("[aria-busy=true]").count()) === 0);
				names = await page.getByRole("main").getByRole("button").allInnerTexts();
			},
			(page) => page.route("**/admin/v1/session", (route) => amend(route, { role, teamIds: role === "team-owner" ? ["search"] : null })),
		);
		return [...new Set(names)].filter((name) => name !== "");
	};

	test.each([
		["operator", ["Approve more", "Stop it", "End it for good"], ["Try now", "Cancel it"], ["Send again", "Acknowledge", "Send a test"]],
		["team-owner", ["Approve more", "Stop it"], ["Try now", "Cancel it"], ["Send again", "Acknowledge"]],
		["finance", [], [], []],
		["viewer", [], [], []],
	])("%s is offered what he may do, and nothing else", async (role, ofRun, ofBatch, ofAlerts) => {
		expect(await offered(`/runs/${PAUSED_RUN}`, "holds it", role)).toEqual(ofRun);
		expect(await offered(`/batches/${RUNNING_BATCH}`, "311 of 480", role)).toEqual(ofBatch);
		expect(await offered("/alerts", "is spent", role)).toEqual(ofAlerts);
	});

	test("more is approved: what it may cost is said, a refusal stays in words, and the run goes on", async () => {
		await on(`/runs/${PAUSED_RUN}`, async (page) => {
			await page.getByRole("button", { name: "Approve more" }).click();
			const dialog = page.getByRole("dialog");
			await dialog.getByLabel("Reason").fill("The index is worth it");
			await dialog.getByLabel("Cost, new total in USD").fill("12");
			await dialog.getByRole("button", { name: "Approve" }).click();
			await dialog.getByRole("alert").filter({ hasText: "must not be below what it is now, 20.00 USD" }).waitFor();
			await dialog.getByLabel("Cost, new total in USD").fill("32.50");
			await dialog.getByText("up to 32.50 USD in all").waitFor();
			await lookAt(page, "run-approve");
			await dialog.getByRole("button", { name: "Approve" }).click();
			await dialog.waitFor({ state: "hidden" });
			await page.getByText("“The index is worth it”").first().waitFor();
		});
		expectRefusals();
		for (const runId of [PAUSED_RUN, CHILD_RUN]) expect(await stand.ask("GET", `/runs/${runId}`)).toMatchObject({ state: "running", hold: null });
		expect(await stand.ask("GET", `/runs/${PAUSED_RUN}`)).toMatchObject({ limits: { costNanoUsd: { hard: { at: "32500000000" } } } });
	});

	test("a run that somebody else decided about meanwhile is not decided on unseen", async () => {
		await on(`/runs/${LOOPING_RUN}`, async (page) => {
			await page.getByRole("button", { name: "Let it go on" }).click();
			const dialog = page.getByRole("dialog");
			await dialog.getByText("It may spend another 16.29 USD").waitFor();
			await dialog.getByLabel("Reason").fill("It is right");
			await stand.ask("POST", `/runs/${LOOPING_RUN}/stop`, { reason: "a loop" });
			await dialog.getByRole("button", { name: "Let it go on" }).click();
			await dialog.getByRole("alert").filter({ hasText: "is not the version of the run" }).waitFor();
		});
		expectRefusals();
		expect(await stand.ask("GET", `/runs/${LOOPING_RUN}`)).toMatchObject({ state: "stopped" });
	});

	test("a batch is cancelled with what that means in money; one that cannot be tried now says why", async () => {
		await on(`/batches/${RUNNING_BATCH}`, async (page) => {
			await page.getByRole("button", { name: "Try now" }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Try now" }).click();
			await page.getByRole("dialog").getByRole("alert").filter({ hasText: "cannot be asked here" }).waitFor();
			await page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();
			await page.getByRole("button", { name: "Cancel it" }).click();
			const dialog = page.getByRole("dialog", { name: "Cancel the batch" });
			await dialog.getByText("is held for 169 items").waitFor();
			await dialog.getByRole("button", { name: "Cancel it" }).click();
			await page.getByText("Cancellation asked").waitFor();
		});
		expectRefusals();
		expect(await stand.ask("GET", `/batches/${RUNNING_BATCH}`)).toMatchObject({ cancelAskedAt: expect.any(String) });
	});

	test("an alert that was not delivered is acknowledged, the others are sent again, and a channel is tried", async () => {
		await on("/alerts?show=dead", async (page) => {
			await page.getByRole("button", { name: /^Acknowledge: Batch/ }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
			await page.getByRole("dialog").waitFor({ state: "hidden" });
			await page.getByText("All", { exact: true }).click();
			await page.getByText("pager: given up, ada knows").waitFor();
			await page.getByText("Not delivered", { exact: true }).click();
			await page.getByRole("button", { name: "Send all of them again" }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Send all again" }).click();
			await page.getByText("2 deliveries wait again.").waitFor();
			await page.getByText("Everything was delivered, or somebody knows of it.").waitFor();
			await page.getByRole("button", { name: "Send a test to audit-hook" }).click();
			await page.getByText("audit-hook: the test was not taken").waitFor();
		});
		await on("/alerts?show=all", async (page) => {
			await page.getByRole("link", { name: /is spent/ }).click();
			await page.getByText("Look at the team's budgets").waitFor();
			await lookAt(page, "alert");
		});
	});

	test("an item is cancelled, and an end that no channel took is sent again", async () => {
		await on("/batches/items?team=search", async (page) => {
			await page
				.getByRole("button", { name: /^Cancel deferred_/ })
				.first()
				.click();
			await page.getByRole("dialog").getByText("0.044 USD").waitFor();
			await page.getByRole("dialog").getByRole("button", { name: "Cancel it" }).click();
			await page.getByRole("dialog").waitFor({ state: "hidden" });
			await page.getByRole("cell", { name: "cancelled" }).waitFor();
			await page.getByRole("button", { name: /^Send again/ }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Send again" }).click();
			await page.getByText("Every end was taken by the channel that asked for it.").waitFor();
		});
	});

	test("what changed elsewhere is shown without a word", async () => {
		let told = ": nothing yet";
		await on(
			"/batches?team=support",
			async (page) => {
				await page.getByText("held, not begun").first().waitFor();
				await stand.administration.pool.query("UPDATE tollgate.batch SET state = 'running' WHERE team_id = 'support' AND state = 'held'");
				told = 'event: changed\ndata: {"topics":["batches"]}';
				await page.getByRole("cell", { name: "running" }).waitFor();
			},
			(page) => page.route("**/admin/v1/events", (route) => route.fulfill({ contentType: "text/event-stream", body: `retry: 200\n${told}\n\n` })),
		);
	});
});

/** The answer of the API with some of its fields set otherwise. */
async function amend(route: Route, fields: object): Promise<void> {
	const response = await route.fetch();
	await route.fulfill({ response, json: { ...((await response.json()) as object), ...fields } });
}
