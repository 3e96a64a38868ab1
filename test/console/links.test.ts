import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { storeReport } from "#activities/reports/stored-reports.ts";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { lookAt } from "#test/support/console-look.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { type OwnedThings, seedOwnedThings } from "#test/support/owned-things.ts";

const TEMPORAL_UI = "http://temporal.example";
const REPORT_WORKFLOW = "report-daily-2026-09-07T01:00:00Z";
const REPORT = "daily-2026-09-06-search";
const CALL = "call-of-a-run-and-a-batch";

/** From pages of the console to each other, and to workflows in the Temporal UI. */
describe.skipIf(CHROMIUM === undefined).each([TEMPORAL_UI, null])(`links of the console, with Temporal's UI at %s ${HOW_TO_GET_CHROMIUM}`, (temporalUiUrl) => {
	let stand: ConsoleStand;
	let search: OwnedThings;

	beforeAll(async () => {
		stand = await ConsoleStand.open({ temporalUiUrl });
		const { administration } = stand;
		search = (await seedOwnedThings(administration, ["search"]))[0] as OwnedThings;
		const sql = (text: string, values: unknown[] = []) => administration.pool.query(text, values);
		await sql("UPDATE tollgate.batch SET settled_nano_usd = 100");
		await sql(
			`UPDATE tollgate.attempt SET request_id = $1, run_ids = (SELECT ARRAY[number] FROM tollgate.run), gateway_id = (SELECT 'batch' || number FROM tollgate.batch)
			 WHERE attempt_id = (SELECT attempt_id FROM tollgate.attempt ORDER BY at DESC LIMIT 1)`,
			[CALL],
		);
		const { content } = (await sql("SELECT content FROM tollgate.report")).rows[0] as { content: object };
		const report = { ...content, date: "2026-09-06", sections: [{ id: "s", title: "Spend", figures: [], tables: [], notes: ["Nothing."], plots: [] }] };
		await storeReport(administration.pool, report as never, { by: "tollgate", spentNanoUsd: 1n, again: false, workflowId: REPORT_WORKFLOW });
	});
	afterEach(() => expect(stand.complaints.splice(0)).toEqual([]));
	afterAll(() => stand?.close());

	/** Where its workflow is looked at, as the page says it. */
	async function expectWorkflow(page: Page, workflowId: string): Promise<void> {
		if (temporalUiUrl === null) {
			await page.getByText(`Workflow ${workflowId}`, { exact: true }).waitFor();
			expect(await page.getByRole("link", { name: "Workflow in the Temporal UI" }).count()).toBe(0);
		} else {
			const links = await page.getByRole("link", { name: "Workflow in the Temporal UI" }).all();
			expect(await Promise.all(links.map((link) => link.getAttribute("href")))).toContain(
				`${TEMPORAL_UI}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`,
			);
		}
	}

	async function on(path: string, title: string, act: (page: Page) => Promise<unknown>): Promise<void> {
		const page = await stand.visit(path);
		await page.getByText(title, { exact: true }).first().waitFor();
		await act(page);
		await page.context().close();
	}

	test("a call leads to its run and its batch; a run that no workflow was told of has no link to one", async () => {
		await on(`/requests/${CALL}`, "What it was part of", async (page) => {
			expect(await page.getByRole("link", { name: search.runId }).getAttribute("href")).toBe(`/console/runs/${search.runId}`);
			await expectWorkflow(page, `batch-job/${search.batchId}`);
			expect(await page.getByText(/^Workflow /).count()).toBe(1);
			await lookAt(page, `request-links-${temporalUiUrl === null ? "ids" : "ui"}`);
			await page.getByRole("link", { name: search.batchId }).click();
			await page.getByText("Parts at the provider").waitFor();
			await expectWorkflow(page, `batch-job/${search.batchId}`);
		});
		await on(`/runs/${search.runId}`, "About the run", async (page) => expect(await page.getByText(/^Workflow /).count()).toBe(0));
	});

	test("a run that its workflow was told of leads there, and its calls do", async () => {
		await stand.administration.pool.query("SELECT tollgate.run_told(array_agg(number), array_agg(version), '{}') FROM tollgate.run");
		await on(`/runs/${search.runId}`, "About the run", (page) => expectWorkflow(page, `agent-run/${search.runId}`));
		await on(`/requests/${CALL}`, "What it was part of", (page) => expectWorkflow(page, `agent-run/${search.runId}`));
	});

	test("a report and a month lead to the workflows that made them", async () => {
		await on(`/reports/${REPORT}`, "Spend", (page) => expectWorkflow(page, REPORT_WORKFLOW));
		await on("/statements/2026-09", "By team", (page) => expectWorkflow(page, "close-month/2026-09"));
	});

	test("the id of a workflow, where there is no link, is selected as a whole", async () => {
		await on(`/batches/${search.batchId}`, "Parts at the provider", async (page) => {
			await expectWorkflow(page, `batch-job/${search.batchId}`);
			if (temporalUiUrl !== null) return;
			await page.getByText(`batch-job/${search.batchId}`, { exact: true }).click();
			expect(await page.evaluate("getSelection().toString()")).toBe(`batch-job/${search.batchId}`);
		});
	});

	test("what batches of files saved stands on the overview", async () => {
		await on("/", "Saved by waiting", async (page) => {
			const section = page.getByRole("region", { name: "Saved by waiting" });
			await section.getByText("by 1 items in 30 days", { exact: false }).waitFor();
			expect(await section.locator("data").first().getAttribute("value")).toBe("100");
		});
	});
});
