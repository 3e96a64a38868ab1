import { afterAll, beforeAll, expect, test } from "vitest";
import type { EnteredRun } from "#activities/runs/port.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { insertBudget, withClient } from "#test/support/authority-rows.ts";
import { ask, decision, defaultsOf, holdOf, openPostgresStand, type PostgresRunStand, refusalOf, registration, runOf } from "#test/support/run-stand.ts";
import { until } from "#test/support/until.ts";

/** What several gateways do to the same runs at once, and what the rest of the books sees of it. */
let stand: PostgresRunStand;
beforeAll(async () => {
	stand = await openPostgresStand({ connections: 20 });
	// Connections that are opened one after another are no race.
	await all(20, () => stand.pool.query("SELECT pg_sleep(0.1)"));
});
afterAll(() => stand.close());

async function count(text: string, values: unknown[] = []): Promise<number> {
	return Number((await stand.pool.query(`SELECT count(*) FROM ${text}`, values)).rows[0].count);
}

function isOpened(reply: EnteredRun): boolean {
	return reply.kind === "entered" && reply.isOpened === true;
}

function all<Result>(times: number, act: (place: number) => Promise<Result>): Promise<Result[]> {
	return Promise.all(Array.from({ length: times }, (_, place) => act(place)));
}

test("twenty openings of one id at once are one run, whoever asks by whatever key", async () => {
	const stores = await all(4, (place) => stand.storeOf(`twenty${place}`));
	const before = await count("tollgate.budget WHERE dimension = 'run'");
	const replies = await all(20, async (place) => stores[place % 4]?.enter(ask("twenty", { keyId: place % 2 === 0 ? "key_ada" : "key_ada_2" })));
	const opened = replies.filter((reply) => reply !== undefined && isOpened(reply));
	expect(opened).toHaveLength(1);
	expect(new Set(replies.map((reply) => reply && runOf(reply).number)).size).toBe(1);
	expect(await count("tollgate.run WHERE id = 'twenty'")).toBe(1);
	expect(await count("tollgate.budget WHERE dimension = 'run'")).toBe(before + 1);
	expect(await count("tollgate.run_event e JOIN tollgate.run r ON r.number = e.run_number WHERE r.id = 'twenty'")).toBe(1);
});

test("the same conversation that begins at four gateways at once is one run", async () => {
	const named = { kind: "begins_with", prefix: "00000000000000dd", isFirstCall: true } as const;
	const replies = await all(20, () => stand.store.enter(ask("unused", { named })));
	expect(new Set(replies.map((reply) => runOf(reply).number)).size).toBe(1);
});

test("of fifty that ask for the last child exactly one is opened", async () => {
	await stand.store.register(registration("wide", { limits: { width: 4 } }));
	for (const runId of ["wide-1", "wide-2", "wide-3"]) await stand.store.enter(ask(runId, { parent: "wide" }));
	const replies = await all(50, (place) => stand.store.enter(ask(`wide-x${place}`, { parent: "wide" })));
	expect(replies.filter(isOpened)).toHaveLength(1);
	expect(replies.filter((reply) => reply.kind === "refused").map((reply) => refusalOf(reply).code)).toEqual(Array.from({ length: 49 }, () => "run.ceiling"));
	expect((await stand.store.find("ada", "wide"))?.run.children).toBe(4);
});

test("of two that wait for the parent of the last child one is opened when they may go on", async () => {
	await stand.store.register(registration("last", { limits: { width: 1 } }));
	const holder = await stand.pool.connect();
	try {
		await holder.query("BEGIN");
		await holder.query("SELECT 1 FROM tollgate.run WHERE id = 'last' FOR NO KEY UPDATE");
		const replies = all(2, (place) => stand.store.enter(ask(`last-x${place}`, { parent: "last" })));
		await until("both to wait", async () => (await count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")) === 2);
		await holder.query("COMMIT");
		expect((await replies).filter(isOpened)).toHaveLength(1);
	} finally {
		holder.release(true); // with its lock, where something above failed
	}
});

test("whoever opens in a tree that is locked at its root holds nothing below it while he waits", async () => {
	await stand.store.register(registration("ordered", { limits: { steps: 5 } }));
	await stand.store.enter(ask("ordered-a", { parent: "ordered" }));
	const holder = await stand.pool.connect();
	try {
		await holder.query("BEGIN");
		await holder.query("SELECT 1 FROM tollgate.run WHERE id = 'ordered' FOR NO KEY UPDATE");
		const opened = stand.store.enter(ask("ordered-x", { parent: "ordered-a" }));
		opened.catch(() => undefined); // awaited below
		await until("it to wait", async () => (await count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")) === 1);
		// From the root down, like everybody: whoever held the child now, and asked for the root, would wait for ever.
		const below = await holder.query("SELECT id FROM tollgate.run WHERE id = 'ordered-a' FOR NO KEY UPDATE SKIP LOCKED");
		expect(below.rows).toEqual([{ id: "ordered-a" }]);
		await holder.query("COMMIT");
		expect(isOpened(await opened)).toBe(true);
	} finally {
		holder.release(true); // with its locks, where something above failed
	}
});

test("the last run of a tree of 20,000 is opened once, at whatever depth", async () => {
	await stand.store.register(registration("large", { limits: { steps: 5 } }));
	await stand.store.enter(ask("large-a", { parent: "large" }));
	await stand.pool.query("UPDATE tollgate.run SET tree_runs = 19999 WHERE id = 'large'");
	const replies = await all(10, (place) => stand.store.enter(ask(`large-x${place}`, { parent: place % 2 === 0 ? "large" : "large-a" })));
	expect(replies.filter(isOpened)).toHaveLength(1);
});

test("of fifty roots that a key begins at once exactly as many are opened as it may begin in an hour", async () => {
	const replies = await all(50, (place) => stand.store.enter(ask(`rate-${place}`, { teamId: "bob", keyId: "key_bob", newRunsPerHour: 7 })));
	expect(replies.filter(isOpened)).toHaveLength(7);
	const registered = await stand.store.register(registration("rate-registered", { teamId: "bob", keyId: "key_bob", newRunsPerHour: 7 }));
	expect(refusalOf(registered)).toEqual({ code: "run.too_many", fields: ["runId"] });
	const parent = `rate-${replies.findIndex(isOpened)}`;
	const child = await stand.store.enter(ask("rate-child", { parent, teamId: "bob", keyId: "key_bob", newRunsPerHour: 7 }));
	expect(child).toMatchObject({ kind: "entered" }); // children are bounded by their tree
});

test("a gateway that was replaced opens nothing and finds nothing", async () => {
	const fenced = await stand.storeOf("replaced");
	await stand.pool.query("UPDATE tollgate.gateway_epoch SET last_seen_at = last_seen_at - interval '1 minute' WHERE gateway_id = 'replaced'");
	await stand.storeOf("replaced");
	const before = await stand.rows();
	expect(refusalOf(await fenced.enter(ask("by-fenced")))).toMatchObject({ code: "gateway.fenced" });
	expect(refusalOf(await fenced.register(registration("by-fenced")))).toMatchObject({ code: "gateway.fenced" });
	expect(await stand.rows()).toEqual(before);
});

test("no child goes on below a run that ended meanwhile", async () => {
	for (let round = 0; round < 20; round++) {
		await stand.store.enter(ask(`ending-${round}`));
		await Promise.all([
			stand.store.finish({ teamId: "ada", runId: `ending-${round}`, by: "key key_ada" }),
			stand.store.enter(ask(`ending-${round}-a`, { parent: `ending-${round}` })),
		]);
	}
	expect(await count("tollgate.run c JOIN tollgate.run p ON p.number = c.parent_number WHERE p.state = 'finished' AND c.state <> 'finished'")).toBe(0);
});

test("nothing stays held by a ceiling that is raised at the same time", async () => {
	for (let round = 0; round < 20; round++) {
		await stand.store.register(registration(`raised-${round}`, { limits: { steps: 10 } }));
		const child = runOf(await stand.store.enter(ask(`raised-${round}-a`, { parent: `raised-${round}` })));
		await Promise.all([
			stand.store.hold([holdOf(child, { guard: "ceiling.steps", measured: "10", threshold: "10", ofRunId: `raised-${round}` })]),
			stand.store.decide(decision(`raised-${round}`, { kind: "raise", limits: { steps: 20 } })),
		]);
	}
	expect(await count("tollgate.run WHERE id LIKE 'raised-%' AND state <> 'running'")).toBe(0);
});

test("raising a ceiling raises its budget and the window: what was full has room, and the books say when", async () => {
	const opened = await stand.store.enter(
		ask("roomy", { ...defaultsOf({ steps: { soft: { at: 4, action: "degrade", degradeTo: { big: "small" } }, hard: 10 } }), wants: ["10"] }),
	);
	const window = opened.kind === "entered" ? opened.leases[0]?.windowId : undefined;
	await stand.store.decide(decision("roomy", { kind: "raise", limits: { steps: { soft: 8, hard: 30 } } }));
	const { rows } = await stand.pool.query("SELECT limit_amount, stop_amount, degrade_amounts, granted FROM tollgate.budget_window WHERE id = $1", [window]);
	expect(rows).toEqual([{ limit_amount: "30", stop_amount: "30", degrade_amounts: ["8"], granted: "4" }]);
	const entered = await stand.store.enter(ask("roomy"));
	expect(entered.kind === "entered" && entered.chain[0]?.budgets).toMatchObject([
		{ unit: "steps", degrade: [{ at: { amount: "8" }, degradeTo: { big: "small" } }] },
	]);
});

test("limits above what the team has are refused, each by its field; its defaults are not", async () => {
	await withClient(stand.url, async (client) => {
		await insertBudget(client, { teamId: "bob", limit: 500n, windowKind: "day" });
		await insertBudget(client, { teamId: "bob", limit: 900n, windowKind: "month" });
		await insertBudget(client, { teamId: "bob", limit: 100n, unit: "tokens", windowKind: "month" });
		await insertBudget(client, { teamId: "bob", limit: 9_999n, dimension: "feature", value: "search" });
	});
	const theirs = { teamId: "bob", keyId: "key_bob_2" };
	const asked = registration("rich", { ...theirs, limits: { costNanoUsd: "901", inputTokens: 101, outputTokens: 100, steps: 1_000 } });
	expect(refusalOf(await stand.store.register(asked))).toEqual({ code: "run.invalid", fields: ["limits.costNanoUsd.hard.at", "limits.inputTokens.hard.at"] });
	const fitting = { ...asked, limits: { costNanoUsd: "900", inputTokens: 100 } };
	expect(await stand.store.register(fitting)).toMatchObject({ kind: "entered" });
	const raise = decision("rich", { kind: "raise", limits: { costNanoUsd: "901" } });
	expect(refusalOf(await stand.store.decide(raise))).toEqual({ code: "run.invalid", fields: ["limits.costNanoUsd.hard.at"] });
	const byDefault = registration("default", theirs);
	expect(await stand.store.register({ ...byDefault, limits: byDefault.defaults })).toMatchObject({ kind: "entered" });
});

test("the change log hears of holds and decisions, one for each tree, and of no opening", async () => {
	const before = await count("tollgate.change");
	const runs = [];
	for (const runId of ["told", "told-a", "alone"]) runs.push(runOf(await stand.store.enter(ask(runId, { parent: runId === "told-a" ? "told" : null }))));
	expect(await count("tollgate.change")).toBe(before);
	await stand.store.hold(runs.map((run) => holdOf(run)));
	const { rows } = await stand.pool.query("SELECT subject, admin_name, detail FROM tollgate.change WHERE kind = 'run' ORDER BY revision DESC LIMIT 2");
	const [told, below, alone] = runs.map(({ number }) => number);
	expect(rows).toEqual([
		{ subject: "alone", admin_name: "gateway g1", detail: { teamId: "ada", runId: "alone", state: "paused", version: "2", numbers: [alone], count: 1 } },
		{ subject: "told", admin_name: "gateway g1", detail: { teamId: "ada", runId: "told", state: "paused", version: "2", numbers: [told, below], count: 2 } },
	]);
	const reply = await stand.store.decide(decision("told-a", { kind: "stop" }));
	expect(reply.kind === "decided" && Number(reply.revision)).toBe(before + 2);
	await stand.store.enter(ask("quiet"));
	await stand.store.finish({ teamId: "ada", runId: "quiet", by: "key key_ada" });
	expect(await count("tollgate.change")).toBe(before + 3);
	await stand.store.enter(ask("noticed"));
	await (await stand.storeOf("witness")).enter(ask("noticed"));
	await stand.store.finish({ teamId: "ada", runId: "noticed", by: "key key_ada" });
	expect(await count("tollgate.change")).toBe(before + 4);
});

test("how long a pause takes is the median of the last answered ones", async () => {
	await stand.store.enter(ask("patient", { teamId: "bob", keyId: "key_bob_2" }));
	for (const seconds of [60, 600, 120]) {
		const found = await stand.store.find("bob", "patient");
		if (found !== undefined) await stand.store.hold([holdOf(found.run)]);
		await stand.pool.query("UPDATE tollgate.run SET held_at = held_at - $1 * interval '1 second' WHERE id = 'patient'", [seconds]);
		await stand.store.decide(decision("patient", { kind: "resume" }));
	}
	const { rows } = await stand.pool.query("SELECT tollgate.pause_estimate_ms('bob') AS bob, tollgate.pause_estimate_ms('nobody') AS nobody");
	expect(Number(rows[0].bob)).toBeGreaterThanOrEqual(120_000);
	expect(Number(rows[0].bob)).toBeLessThan(180_000);
	expect(rows[0].nobody).toBe("900000");
	expect((await stand.store.find("bob", "patient"))?.run.pausedMs).toBeGreaterThanOrEqual(780_000);
});

test("a clock that went back makes no run older or younger than none", async () => {
	await stand.store.enter(ask("future"));
	await stand.pool.query("UPDATE tollgate.run SET opened_at = clock_timestamp() + interval '3 hours' WHERE id = 'future'");
	expect(runOf(await stand.store.enter(ask("future"))).openedMsAgo).toBe(0);
});

test("a team's policy knows nothing of its runs, and the books are in order", async () => {
	const { rows } = await stand.pool.query("SELECT tollgate.load_team('ada') AS team");
	expect(rows[0].team.budgets).toEqual([]);
	await stand.pool.query("DELETE FROM tollgate.run_part WHERE gateway_id = 'settler'"); // no attempt stands behind them
	const { findings } = await verifyLedger({ databaseUrl: stand.url });
	expect(findings).toEqual([]);
});
