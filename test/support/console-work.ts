import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import type { ItemOutcome } from "#domain/batching/batch.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { answered, NEW_BATCH, unbilled } from "./batch-stand.ts";
import type { ConsoleStand } from "./console-stand.ts";
import { deferredItem } from "./deferred-stand.ts";
import { RunRows } from "./governed-run-rows.ts";

/** What agents, batches and alerts of two teams look like on an ordinary day, with texts that try to be markup. */
export const MARKUP = '<img src=x onerror="document.title=1">';
export const PAUSED_RUN = "index-rebuild-2026-11";
export const LOOPING_RUN = "crawler:42";
export const CHILD_RUN = "index-rebuild-2026-11.shard-3";
export const STOPPED_RUN = "planner-9";
export const RUNNING_BATCH = batchId("running");
export const FAILED_BATCH = batchId("failed");
export const DEAD_ITEM = deferredId(1);

const RUNS_BESIDE = 55;
const HOUR_MS = 3_600_000;

export async function seedConsoleWork(stand: ConsoleStand): Promise<void> {
	const { databaseUrl } = stand.administration;
	for (const id of ["search", "support", "quiet"]) await stand.ask("POST", "/teams", { id, isUnlimited: true });
	await seedRuns(databaseUrl);
	const sql = new Connection({ url: databaseUrl, applicationName: "test console", statementTimeoutMs: 20_000 });
	try {
		await seedBatches(sql);
		await seedItems(sql);
	} finally {
		await sql.close();
	}
	await seedAlerts(stand);
}

async function seedRuns(databaseUrl: string): Promise<void> {
	const rows = await RunRows.over(databaseUrl, []);
	try {
		await rows.many("job-", RUNS_BESIDE, { teamId: "support" });
		await rows.run("nightly-summaries", { teamId: "support", origin: "registered" });
		await rows.decide("nightly-summaries", { kind: "finish" }, "bea");
		await rows.run(STOPPED_RUN, { teamId: "support" });
		await rows.decide(STOPPED_RUN, { kind: "stop" }, "bea");
		await seedLoop(rows);
		await seedCeiling(rows);
		await rows.sql("UPDATE tollgate.attempt a SET team_id = r.team_id FROM tollgate.run r WHERE r.number = a.run_ids[1]");
		await passTime(rows);
	} finally {
		await rows.close();
	}
}

async function seedLoop(rows: RunRows): Promise<void> {
	await rows.run(LOOPING_RUN, { limits: { costNanoUsd: { hard: { at: "20000000000", action: "pause" } } } });
	for (let step = 0; step < 9; step++) await rows.step(LOOPING_RUN, "412500000");
	await rows.warn(LOOPING_RUN);
	await rows.hold(LOOPING_RUN, { evidence: `the call \`fetch_page({"title":"${MARKUP}"})\` and its result repeated 9 times in 9 steps` });
}

async function seedCeiling(rows: RunRows): Promise<void> {
	const hard = (at: string | number) => ({ hard: { at, action: "pause" } });
	const limits = {
		costNanoUsd: hard("20000000000"),
		steps: { soft: { at: 20, action: "warn" }, ...hard(500) },
		elapsedMs: hard(86_400_000),
		toolCalls: { web_search: hard(40) },
	};
	await rows.run(PAUSED_RUN, { origin: "registered", limits });
	await rows.run(CHILD_RUN, { origin: "registered", parent: PAUSED_RUN });
	for (let step = 0; step < 22; step++) await rows.step(PAUSED_RUN, "842000000");
	for (let step = 0; step < 4; step++) await rows.step(CHILD_RUN, "370000000");
	const ceiling = {
		guard: "ceiling.costNanoUsd",
		evidence: "the run has spent 20.004 USD; the ceiling is 20.00 USD",
		measured: "20004000000",
		threshold: "20000000000",
		ofRunId: PAUSED_RUN,
	} as const;
	await rows.hold(PAUSED_RUN, ceiling);
	await rows.hold(CHILD_RUN, ceiling);
}

/** As if it had happened over the last hours. */
async function passTime(rows: RunRows): Promise<void> {
	await rows.sql("UPDATE tollgate.run SET opened_at = opened_at - make_interval(mins => 200 - number::integer), held_at = held_at - interval '25 minutes'");
	await rows.sql(
		"UPDATE tollgate.run_event SET at = CASE kind WHEN 'opened' THEN at - make_interval(mins => 200 - run_number::integer) ELSE at - interval '25 minutes' END",
	);
	await rows.sql("UPDATE tollgate.run_part SET input_tokens = input_tokens * 641, output_tokens = output_tokens * 173");
	await rows.sql("UPDATE tollgate.run r SET children = (SELECT count(*) FROM tollgate.run c WHERE c.parent_number = r.number)");
	await rows.sql(`UPDATE tollgate.attempt a SET at = a.at - make_interval(mins => 90 - o.n::integer * 2), reserved_at = a.reserved_at - make_interval(mins => 90 - o.n::integer * 2), cost_tokens = 2900 + o.n * 131
		FROM (SELECT attempt_id, row_number() OVER (ORDER BY at) AS n FROM tollgate.attempt WHERE run_ids IS NOT NULL) o WHERE o.attempt_id = a.attempt_id`);
}

const PROVIDER_STATUS: Omit<ProviderBatchStatus, "providerBatchId"> = {
	...{ state: "running", total: 480, succeeded: 311, failed: 9, problems: [], createdAtMs: 0, expiresAtMs: null },
	...{ outputFileId: null, errorFileId: null, resultsUrl: null },
};

type Ending = readonly [count: number, outcome: ItemOutcome];

async function seedBatches(sql: Connection): Promise<void> {
	const store = createPostgresBatchStore(sql);
	const held = async (id: string, count: number, fields: object = {}): Promise<string> => {
		await store.begin({ ...NEW_BATCH, teamId: "search", batchId: id, pricesAsOfMs: Date.now(), deadlineMs: Date.now() + 20 * HOUR_MS, ...fields });
		const items = Array.from({ length: count }, (_, index) => ({
			...{ n: index + 1, customId: `${id}-${index + 1}`, boundNanoUsd: 61_000_000n, boundTokens: 4_000, boundInputTokens: 3_000, bytes: 3_900 },
			tiers: ["batch"] as const,
		}));
		await store.addItems(id, items);
		await store.hold(id, { waitIsOver: true });
		return id;
	};
	const sent = async (id: string): Promise<void> => {
		await store.move(id, "running", {});
		const items = await store.itemsToSend(id, 0, 10_000);
		const part = {
			batchId: id,
			part: 1,
			token: `tollgate-${id}-1`,
			items: items.length,
			bytes: items.length * 3_900,
			providerFileId: null,
			providerBatchId: null,
		};
		await store.writePart(
			{ ...part, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null },
			items.map(({ n }) => n),
		);
		await store.movePart({ batchId: id, part: 1 }, "submitting", {});
		await store.movePart({ batchId: id, part: 1 }, "running", {
			status: { ...PROVIDER_STATUS, providerBatchId: `batch_${Buffer.from(id).toString("hex").slice(12, 36)}` },
		});
	};
	const book = async (id: string, endings: readonly Ending[]): Promise<void> => {
		const outcomes = endings.flatMap(([count, outcome]) => Array<ItemOutcome>(count).fill(outcome));
		await store.book(
			id,
			outcomes.map((outcome, index) => (outcome === "succeeded" ? answered(index + 1, { cost: 21_400_000n }) : unbilled(index + 1, outcome))),
		);
	};
	await held(batchId("waits"), 40, { teamId: "support", model: MARKUP });
	await sent(await held(RUNNING_BATCH, 480, { rules: { mayResubmit: true, mayRelane: true } }));
	await book(RUNNING_BATCH, [
		[302, "succeeded"],
		[9, "errored"],
	]);
	const failed = await held(FAILED_BATCH, 12);
	await store.move(failed, "running", {});
	await book(failed, [[12, "errored"]]);
	await store.closeHold(failed);
	await store.move(failed, "failed", { problem: `the provider took none of it: invalid model ${MARKUP}` });
	const done = await held(batchId("done"), 200);
	await sent(done);
	await book(done, [[200, "succeeded"]]);
	await store.movePart({ batchId: done, part: 1 }, "ended", {});
	await store.movePart({ batchId: done, part: 1 }, "collected", {});
	await store.move(done, "finalizing", {});
	await store.closeHold(done);
	await store.move(done, "completed", {});
}

const ITEMS_ENDED = 9;

async function seedItems(sql: Connection): Promise<void> {
	const [deferred, batches] = [createPostgresDeferredStore(sql), createPostgresBatchStore(sql)];
	const hand = async (number: number): Promise<string> => {
		const late = number % 4 === 0;
		const item = deferredItem(deferredId(number), {
			...{ teamId: "search", boundNanoUsd: 44_000_000n, boundTokens: 4_000, pricesAsOfMs: Date.now(), deadlineMs: Date.now() + (late ? -1 : 5) * HOUR_MS },
		});
		const result = await deferred.accept(item, { waitIsOver: true });
		if (result.kind !== "accepted") throw new Error(`the item is ${result.kind}`);
		return result.batch.batchId;
	};
	let collected = "";
	for (let number = 1; number <= ITEMS_ENDED; number++) collected = await hand(number);
	await deferred.flush(collected, null);
	const bookings = Array.from({ length: ITEMS_ENDED }, (_, index) =>
		answered(
			index + 1,
			index % 3 === 2
				? { cost: 36_000_000n, realTimeNanoUsd: 36_000_000n, lane: "real_time" }
				: { cost: 18_000_000n, realTimeNanoUsd: 36_000_000n, lane: "batch" },
		),
	);
	await batches.move(collected, "running", {});
	const part = { batchId: collected, part: 1, token: `tollgate-${collected}-1`, items: ITEMS_ENDED, bytes: 9_000, providerFileId: null, providerBatchId: null };
	await batches.writePart(
		{ ...part, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null },
		bookings.map(({ n }) => n),
	);
	await batches.book(collected, bookings);
	await deferred.markAnswered(
		collected,
		bookings.map(({ n }) => ({ n, httpStatus: 200, answerBlobKey: `search/answers/${n}` })),
	);
	for (let number = ITEMS_ENDED + 1; number <= ITEMS_ENDED + 3; number++) await hand(number);
	await sql.query(
		undefined,
		"INSERT INTO tollgate.deferred_webhook (deferred_id, team_id, channel, data, at, state, attempts, last_error, ended_at) VALUES ($1, 'search', 'audit-hook', '{}', now() - interval '3 days', 'dead', 41, $2, now())",
		[DEAD_ITEM, `503 ${MARKUP}`],
	);
}

async function seedAlerts(stand: ConsoleStand): Promise<void> {
	const { pool, alertSecrets } = stand.administration;
	alertSecrets.set("HOOK_SECRET", `whsec_${Buffer.alloc(32, 7).toString("base64")}`);
	await stand.ask("PUT", "/alert-channels/team-chat", { kind: "slack", urlEnv: "SLACK_WEBHOOK_URL" });
	await stand.ask("PUT", "/alert-channels/pager", { kind: "pagerduty", routingKeyFile: "/run/secrets/pagerduty" });
	await stand.ask("PUT", "/alert-channels/audit-hook", { kind: "webhook", url: "http://127.0.0.1:9/hook", secretEnv: "HOOK_SECRET", allowPrivate: true });
	await stand.ask("PUT", "/alert-routes", { teamId: "@organization", routes: [{ channel: "team-chat" }] });
	await stand.ask("PUT", "/alert-routes", { teamId: "search", routes: [{ channel: "pager", kinds: ["budget.stopped", "run.paused", "batch.failed"] }] });
	const raise = (key: string, team: string, subject: string, kind: string, severity: string, isFiring: boolean, detail: object) =>
		pool.query("SELECT tollgate.raise_alert($1, $2, $3, $4, $5, $6, $7)", [key, team, subject, kind, severity, isFiring, JSON.stringify(detail)]);
	const budget = {
		posted: "60000000000",
		limitAmount: "60000000000",
		amount: "60000000000",
		budget: "team||nano_usd|month",
		windowStartsAtMs: 1_795_000_000_000,
	};
	await raise("a1", "support", "velocity", "velocity.key", "warning", true, { value: MARKUP, posted: "1" });
	await raise("a2", "@organization", "g2/7", "charges.unresolved", "error", true, { charges: 3, amountNanoUsd: "1250000000" });
	await raise("a3", "search", "team||nano_usd|month", "budget.stopped", "critical", true, budget);
	await raise("a4", "search", `run/${LOOPING_RUN}`, "run.paused", "warning", true, {
		runId: LOOPING_RUN,
		evidence: `repeats ${MARKUP}`,
		guard: "loop.repetition",
	});
	await raise("a5", "search", FAILED_BATCH, "batch.failed", "warning", false, { batchId: FAILED_BATCH });
	await pool.query("UPDATE tollgate.alert SET at = at - make_interval(mins => 400 - seq::integer * 61)");
	await pool.query("UPDATE tollgate.alert_delivery SET state = 'delivered', attempts = 1, answer = '200 ok', ended_at = now() WHERE channel = 'team-chat'");
	await pool.query(
		"UPDATE tollgate.alert_delivery d SET state = 'dead', attempts = 37, last_error = $1, ended_at = now() FROM tollgate.alert a WHERE a.seq = d.alert_seq AND d.channel = 'pager' AND a.alert_key IN ('a3', 'a5')",
		[`404 no such service ${MARKUP}`],
	);
}

function batchId(name: string): string {
	return `batch_${name.padEnd(24, "0")}`;
}

function deferredId(number: number): string {
	return `deferred_${String(number).padStart(24, "0")}`;
}
