import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storeReport } from "#activities/reports/stored-reports.ts";
import { createWorkflowLinks } from "#clients/workflow-links.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { type OwnedThings, seedOwnedThings } from "#test/support/owned-things.ts";

/** Workflows of what the API tells of, and where they are looked at. */

const WORKFLOWS = "http://temporal.example/namespaces/ai%20spend/workflows";
let administration: TestAdministration;
let search: OwnedThings;
let run: { readonly id: string; readonly uiUrl: string };
let batch: { readonly id: string; readonly uiUrl: string };

beforeAll(async () => {
	administration = await openTestAdministration({ temporalUiUrl: "http://temporal.example/", temporalNamespace: "ai spend" });
	search = (await seedOwnedThings(administration, ["search"]))[0] as OwnedThings;
	run = { id: `agent-run/${search.runId}`, uiUrl: `${WORKFLOWS}/agent-run%2F${search.runId}` };
	batch = { id: `batch-job/${search.batchId}`, uiUrl: `${WORKFLOWS}/batch-job%2F${search.batchId}` };
});
afterAll(() => administration.close());

async function ask(path: string) {
	const answer = await administration.app.inject({ url: `/admin/v1${path}`, headers: { authorization: `Bearer ${administration.adminKey}` } });
	return answer.json();
}

const sql = (text: string, values: unknown[] = []) => administration.pool.query(text, values);
const tell = () => sql("SELECT tollgate.run_told(array_agg(number), array_agg(version), '{}') FROM tollgate.run WHERE id = $1", [search.runId]);
const ofSeptember = () => administration.pool.query<{ id: string }>("SELECT attempt_id AS id FROM tollgate.attempt ORDER BY at LIMIT 1");

describe("the workflow", () => {
	test("of a batch is there once its money is held and a workflow drives it", async () => {
		expect((await ask(`/batches/${search.batchId}`)).workflow).toEqual(batch);
		await sql("UPDATE tollgate.batch SET state = 'held' WHERE id = $1", [search.batchId]);
		expect((await ask(`/batches/${search.batchId}`)).workflow).toBeNull();
		await sql("UPDATE tollgate.batch SET state = 'running' WHERE id = $1", [search.batchId]);
	});

	test("of a call is that of its run and of its batch", async () => {
		const id = (await ofSeptember()).rows[0]?.id;
		expect((await ask(`/requests/${id}`)).attempts[0]).toMatchObject({ run: null, batch: null });
		await sql("UPDATE tollgate.attempt SET run_ids = (SELECT ARRAY[number] FROM tollgate.run WHERE id = $2) WHERE attempt_id = $1", [id, search.runId]);
		expect((await ask(`/requests/${id}`)).attempts[0].run).toEqual({ runId: search.runId, workflow: null });
		await sql("UPDATE tollgate.attempt SET gateway_id = (SELECT 'batch' || number FROM tollgate.batch WHERE id = $2) WHERE attempt_id = $1", [
			id,
			search.batchId,
		]);
		expect((await ask(`/requests/${id}`)).attempts[0].batch).toEqual({ batchId: search.batchId, deferredId: null, workflow: batch });
		await sql("UPDATE tollgate.batch SET origin = 'collected', key_id = NULL WHERE id = $1", [search.batchId]);
		await sql("UPDATE tollgate.attempt SET request_id = $2 WHERE attempt_id = $1", [id, search.deferredId]);
		expect((await ask(`/requests/${id}`)).attempts[0].batch).toEqual({ batchId: search.batchId, deferredId: search.deferredId, workflow: batch });
	});

	test("of a run is there once it was told of it, and then of its calls too", async () => {
		expect((await ask(`/runs/${search.runId}`)).workflow).toBeNull();
		await tell();
		expect((await ask(`/runs/${search.runId}`)).workflow).toEqual(run);
		expect((await ask(`/requests/${(await ofSeptember()).rows[0]?.id}`)).attempts[0].run).toEqual({ runId: search.runId, workflow: run });
	});

	test("of a run that ended before anybody was told of it is none", async () => {
		await sql("UPDATE tollgate.run SET told_version = 0, is_governed = true, state = 'finished' WHERE id = $1", [search.runId]);
		await sql("SELECT tollgate.runs_to_tell(10, 10, '{}', '{}')");
		expect((await ask(`/runs/${search.runId}`)).workflow).toBeNull();
		expect((await sql("SELECT told_version = version AS told FROM tollgate.run WHERE id = $1", [search.runId])).rows).toEqual([{ told: true }]);
	});

	test("of a report is the one that wrote it, and none where a person did", async () => {
		expect((await ask(`/reports/${search.reportId}`)).workflow).toBeNull();
		const { content } = (await sql("SELECT content FROM tollgate.report")).rows[0] as { content: never };
		const by = { by: "tollgate", spentNanoUsd: 1n, again: false, workflowId: "report-daily-2026-09-07T01:00:00Z" };
		await storeReport(administration.pool, { ...(content as object), date: "2026-09-06", sections: [] } as never, by);
		expect((await ask("/reports/daily-2026-09-06-search")).workflow).toEqual({
			id: "report-daily-2026-09-07T01:00:00Z",
			uiUrl: `${WORKFLOWS}/report-daily-2026-09-07T01%3A00%3A00Z`,
		});
	});

	test("of statements is the month's", async () => {
		expect((await ask("/statements/2026-09")).workflow).toEqual({ id: "close-month/2026-09", uiUrl: `${WORKFLOWS}/close-month%2F2026-09` });
	});
});

test("an address that names a namespace is taken as it is, and without an address there is the id alone", () => {
	const named = createWorkflowLinks({ uiUrl: "http://temporal.example/namespaces/other/", namespace: "default" });
	expect(named.ofMonth("2026-09").uiUrl).toBe("http://temporal.example/namespaces/other/workflows/close-month%2F2026-09");
	expect(createWorkflowLinks({ uiUrl: null, namespace: "default" }).ofRun("a:1")).toEqual({ id: "agent-run/a:1", uiUrl: null });
});
