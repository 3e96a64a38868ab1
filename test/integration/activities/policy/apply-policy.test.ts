import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAdminKey, revokeAdminKey } from "#activities/administration/admin-keys.ts";
import { isHeld } from "#activities/administration/in-force.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { createVirtualKey, listVirtualKeys } from "#activities/keys/postgres.ts";
import { resolveVirtualKey } from "#activities/keys/resolve.ts";
import { readModelAliases } from "#activities/policy/model-aliases.ts";
import type { PolicyContext } from "#activities/policy/port.ts";
import { listPolicyRevisions } from "#activities/policy/read-policy.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import { applyPolicy, diffPolicy, policyContext, readCurrentPolicy, readPolicyRevision } from "#test/support/policy.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let connections: TestPool;
let connection: Connection;
let context: PolicyContext;

beforeEach(async () => {
	database = await createTestDatabase();
	connections = openTestPool(database.url);
	connection = new Connection({ url: database.url, applicationName: "test" });
	context = policyContext(connections.pool);
});

afterEach(async () => {
	await connection.close();
	await connections.close();
	await database.close();
});

async function rows<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
	return (await connections.pool.query(text, values)).rows as Row[];
}

const changeCount = async (): Promise<number> => Number((await rows<{ n: string }>("SELECT count(*) AS n FROM tollgate.change"))[0]?.n);
const governance = async (teamId: string) =>
	(
		await rows<{ revision: string; written_revision: string; document_revision: string }>(
			"SELECT revision, written_revision, document_revision FROM tollgate.team_governance WHERE team_id = $1",
			[teamId],
		)
	)[0];

const SMALL = `
version: 1
teams:
  search:
    budgets:
      - { window: month, limitUsd: 100 }
`;

const WHOLE = `
version: 1
organization:
  timeZone: Europe/Berlin
  overcommit: true
  approvers: [grace, ada]
  increaseCeilingUsd: 500
  budgets:
    - { window: month, limitUsd: 1000, thresholds: [{ at: 50%, action: notify }] }
  alerts:
    - { channel: hook }
channels:
  hook: { kind: webhook, urlEnv: HOOK_URL, secretEnv: HOOK_SECRET }
models:
  fast:
    - { provider: openai, model: gpt-4o }
teams:
  search:
    settings: { admissionWaitMs: 0 }
    features: [ranking, summary]
    approvers: [ada]
    budgets:
      - { window: month, limitUsd: 100 }
      - { window: day, tokens: 5000, feature: ranking, mode: observe }
    caps:
      - { feature: ranking, outputTokens: 100 }
    rates:
      - { requestsPerMinute: 60 }
    alerts:
      - { channel: hook, kinds: [budget.stopped] }
  free:
    unlimited: true
`;

async function withAdmins(): Promise<void> {
	for (const name of ["ada", "grace"]) await createAdminKey(connections.pool, { name }, "test");
}

describe("a policy in force", () => {
	test("is all of it, says the same when it is read back, and is kept with who and when", async () => {
		await withAdmins();
		const diff = await diffPolicy(context, WHOLE);
		const applied = await applyPolicy(context, WHOLE);
		expect(applied.isChanged).toBe(true);
		const stored = await readPolicyRevision(connections.pool, applied.revision ?? "");
		expect(stored).toMatchObject({ adminName: "ada", parent: null, source: WHOLE, changeCount: diff.changes.length });
		const { policy, basis } = await readCurrentPolicy(connections.pool);
		expect(policy).toEqual(stored.policy);
		expect(basis).toBe(applied.revision);
		expect(policy.organization.approvers).toEqual(["ada", "grace"]);
		expect(policy.teams["search"]?.budgets.map(({ windowKind, mode, timeZone }) => [windowKind, mode, timeZone])).toEqual([
			["day", "observe", "Europe/Berlin"],
			["month", "enforce", "Europe/Berlin"],
		]);
		expect(await readModelAliases(connections.pool)).toEqual({ fast: [{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" }] });
		expect((await listPolicyRevisions(connections.pool, { limit: 10 })).map(({ revision }) => revision)).toEqual([applied.revision]);
		const windows = await rows(
			"SELECT w.limit_amount, w.is_observed FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id ORDER BY w.limit_amount",
		);
		expect(windows).toEqual([
			{ limit_amount: "5000", is_observed: true },
			{ limit_amount: "100000000000", is_observed: false },
			{ limit_amount: "1000000000000", is_observed: false },
		]);
	});

	test("applied again changes nothing and names the revision that holds, on whatever basis", async () => {
		await withAdmins();
		const applied = await applyPolicy(context, WHOLE);
		const before = [await changeCount(), await governance("search")];
		expect(await applyPolicy(context, WHOLE)).toEqual({ revision: applied.revision, isChanged: false });
		expect(await applyPolicy(context, WHOLE, { basis: "0" })).toEqual({ revision: applied.revision, isChanged: false });
		expect([await changeCount(), await governance("search")]).toEqual(before);
	});

	test("changes what it names; what it leaves out stays, also what people set one by one", async () => {
		await applyPolicy(context, SMALL);
		const store = createPostgresBudgetStore(connection);
		const held = await store.readBudgets({ teamId: "search" });
		const daily: BudgetDefinition = { ...held.budgets[0]!, windowKind: "day", limitAmount: "7" };
		await store.writeBudgets({ teamId: "search", revision: held.revision + 1, requestedBy: "bob", set: [daily], remove: [] });
		await applyPolicy(context, SMALL.replace("100", "200"));
		expect((await readCurrentPolicy(connections.pool)).policy.teams["search"]?.budgets.map(({ windowKind, limitAmount }) => [windowKind, limitAmount])).toEqual(
			[
				["day", "7"],
				["month", "200000000000"],
			],
		);
		const touched = await rows(
			"SELECT window_kind FROM tollgate.budget WHERE revision = (SELECT document_revision FROM tollgate.team_governance WHERE team_id = 'search')",
		);
		expect(touched).toEqual([{ window_kind: "month" }]);
	});

	test("takes open windows with it, the next one opened ahead too, opens the one that is due, and clears the overrun that was seen", async () => {
		const weekly = "      - { window: week, limitUsd: 100 }\n";
		await applyPolicy(context, `${SMALL}${weekly}`);
		await rows(`SELECT tollgate.insert_window(b, w.ends_at, w.ends_at + interval '1 month', true) FROM tollgate.budget b
			JOIN tollgate.budget_window w ON w.budget_id = b.id WHERE b.window_kind = 'month'`);
		await rows(
			`UPDATE tollgate.budget_window w SET starts_at = '2020-01-06', ends_at = '2020-01-13' FROM tollgate.budget b WHERE b.id = w.budget_id AND b.window_kind = 'week'`,
		);
		await rows(`INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted, posted, overrun)
			SELECT 'g', 1, w.id, 0, 0, 7 FROM tollgate.budget_window w WHERE NOT w.is_ahead`);
		await applyPolicy(context, `${SMALL}${weekly}`.replaceAll("100", "60"));
		const windows =
			await rows(`SELECT b.window_kind, w.is_ahead, w.ends_at < now() AS is_over, w.limit_amount, w.overrun_cleared, w.revision = b.revision AS is_new
			FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id ORDER BY b.window_kind, w.starts_at`);
		const [before, after] = ["100000000000", "60000000000"];
		expect(windows).toEqual([
			{ window_kind: "month", is_ahead: false, is_over: false, limit_amount: after, overrun_cleared: "7", is_new: true },
			{ window_kind: "month", is_ahead: true, is_over: false, limit_amount: after, overrun_cleared: "0", is_new: true },
			{ window_kind: "week", is_ahead: false, is_over: true, limit_amount: before, overrun_cleared: "0", is_new: false },
			{ window_kind: "week", is_ahead: false, is_over: false, limit_amount: after, overrun_cleared: "0", is_new: true },
		]);
	});

	test("says what keys stand for, and neither makes nor revokes one", async () => {
		await applyPolicy(context, SMALL);
		const { id, key } = await createVirtualKey(connections.pool, { teamId: "search" }, "ada");
		await applyPolicy(context, `${SMALL}    keys:\n      ${id}: { feature: ranking, models: [gpt-4o], mayAssert: [user] }\n`);
		expect(await resolveVirtualKey(connections.pool, key)).toMatchObject({
			kind: "known",
			key: { feature: "ranking", models: ["gpt-4o"], mayAssert: ["user"] },
		});
		expect(await listVirtualKeys(connections.pool, { limit: 10 })).toHaveLength(1);
		expect(await rows("SELECT admin_name, detail FROM tollgate.change WHERE kind = 'key' ORDER BY revision DESC LIMIT 1")).toEqual([
			{ admin_name: "ada", detail: { action: "changed", teamId: "search" } },
		]);
	});

	test("stands in the history, the newest first, page by page, each after the one before", async () => {
		const revisions: string[] = [];
		for (const limitUsd of ["1", "2", "3", "4", "5", "6"]) revisions.unshift((await applyPolicy(context, SMALL.replace("100", limitUsd))).revision ?? "");
		expect(revisions.map(Number).some((revision) => revision < 10) && Number(revisions[0]) > 10).toBe(true);
		const listed = await listPolicyRevisions(connections.pool, { limit: 4 });
		expect(listed.map(({ revision, parent }) => [revision, parent])).toEqual([0, 1, 2, 3].map((place) => [revisions[place], revisions[place + 1]]));
		const rest = await listPolicyRevisions(connections.pool, { limit: 4, beforeRevision: listed.at(-1)?.revision });
		expect(rest.map(({ revision, parent }) => [revision, parent])).toEqual([
			[revisions[4], revisions[5]],
			[revisions[5], null],
		]);
	});

	test("pruned archives what the file leaves out: a team's keys are refused, its budgets end, its books stay and are in order", async () => {
		await withAdmins();
		await applyPolicy(context, WHOLE);
		const { key } = await createVirtualKey(connections.pool, { teamId: "free" }, "ada");
		const { key: kept } = await createVirtualKey(connections.pool, { teamId: "search" }, "ada");
		const windowsBefore = await rows("SELECT id, event_seq FROM tollgate.budget_window ORDER BY id");
		await applyPolicy(context, SMALL, { isPruning: true });
		expect(await resolveVirtualKey(connections.pool, key)).toMatchObject({ kind: "refused", code: "key.invalid" });
		expect(await resolveVirtualKey(connections.pool, kept)).toMatchObject({ kind: "known" });
		const { policy } = await readCurrentPolicy(connections.pool);
		expect(Object.keys(policy.teams)).toEqual(["search"]);
		expect(policy.teams["search"]).toMatchObject({ settings: {}, features: null, approvers: [], alerts: [], limits: { caps: [], rates: [] } });
		expect([policy.models, policy.channels, policy.organization.budgets]).toEqual([{}, {}, []]);
		expect(await rows("SELECT id FROM tollgate.budget_window ORDER BY id")).toEqual(windowsBefore.map(({ id }: { id?: string }) => ({ id })));
		expect(await rows("SELECT id FROM tollgate.team WHERE deleted_at IS NOT NULL")).toEqual([{ id: "free" }]);
		const { report } = await verifyLedger({ databaseUrl: database.url });
		expect(report.ok).toBe(true);
		await expect(applyPolicy(context, WHOLE)).rejects.toMatchObject({ code: "admin.invalid", mistakes: [expect.objectContaining({ path: "teams.free" })] });
	});

	test("lowered below what is spent leaves an overhang that admits nothing", async () => {
		await applyPolicy(context, SMALL);
		await rows("UPDATE tollgate.budget_window SET granted = 60000000000");
		await applyPolicy(context, SMALL.replace("100", "50"));
		expect(await rows("SELECT limit_amount, granted FROM tollgate.budget_window")).toEqual([{ limit_amount: "50000000000", granted: "60000000000" }]);
	});
});

describe("a policy that is refused changes nothing", () => {
	const twoTeams = `${SMALL}  ranking:\n    budgets:\n      - { window: day, limitUsd: 5 }\n`;

	test("with every mistake and its line", async () => {
		const wrong = SMALL.replace("month", "fortnight").replace("limitUsd: 100", "limitUsd: -1").replace("search:", "search:\n    approvers: [nobody]");
		const refused = await applyPolicy(context, wrong).catch((error: unknown) => error);
		expect(refused).toMatchObject({ code: "admin.invalid" });
		expect((refused as { mistakes: { line: number; path: string }[] }).mistakes.map(({ line, path }) => [line, path])).toEqual([
			[5, "teams.search.approvers[0]"],
			[7, "teams.search.budgets[0].window"],
			[7, "teams.search.budgets[0].limitUsd"],
		]);
		expect(await rows("SELECT id FROM tollgate.team")).toEqual([]);
	});

	test("when one team in the middle cannot be written", async () => {
		await applyPolicy(context, SMALL);
		const before = [await changeCount(), await governance("search"), (await readCurrentPolicy(connections.pool)).policy];
		const { policy, basis } = await readCurrentPolicy(connections.pool);
		const [budget] = policy.teams["search"]?.budgets ?? [];
		const team = (limitAmount: string) => ({ budgets: [{ ...budget!, limitAmount }] });
		// No file says this: PostgreSQL alone refuses the second of three teams.
		const next = mergePolicy(policy, { teams: { a: team("1"), m: team("1000000000000000001"), search: team("2") } }, { isPruning: false });
		await expect(rows("SELECT tollgate.apply_policy_document('ada', $1, $2, '[]', '')", [basis, JSON.stringify(next)])).rejects.toMatchObject({
			code: "23514",
		});
		expect([await changeCount(), await governance("search"), (await readCurrentPolicy(connections.pool)).policy]).toEqual(before);
		expect(await rows("SELECT id FROM tollgate.team ORDER BY id")).toEqual([{ id: "search" }]);
	});

	test("when something was changed since its basis: it is shown what it would change now", async () => {
		const { basis } = await diffPolicy(context, twoTeams);
		await applyPolicy(context, SMALL);
		const refused = await applyPolicy(context, twoTeams, { basis }).catch((error: unknown) => error);
		expect(refused).toMatchObject({ code: "admin.conflict", diff: { basis: (await readCurrentPolicy(connections.pool)).basis } });
		expect((refused as { diff: { changes: { path: string }[] } }).diff.changes.map(({ path }) => path)).toEqual([
			"teams.ranking",
			"teams.ranking.budgets.team, day",
		]);
		expect(await rows("SELECT id FROM tollgate.team")).toEqual([{ id: "search" }]);
		expect((await applyPolicy(context, twoTeams)).isChanged).toBe(true);
	});

	test.each([
		["a budget", "SELECT tollgate.apply_policy('search', 1001, 'bob', $1, '[]')"],
		["a team", "SELECT tollgate.record_change('team', 'search', 'bob', jsonb_build_object('budgets', $1::jsonb))"],
	])("when %s was changed by itself since its basis, whoever looked away", async (_what, change) => {
		await applyPolicy(context, SMALL);
		const { policy, basis } = await readCurrentPolicy(connections.pool);
		const [budget] = policy.teams["search"]?.budgets ?? [];
		await rows(change, [JSON.stringify([{ ...budget, limitAmount: "7" }])]);
		const next = mergePolicy(policy, { teams: { search: { budgets: [{ ...budget!, limitAmount: "9" }] } } }, { isPruning: false });
		const before = [await changeCount(), await governance("search")];
		await expect(rows("SELECT tollgate.apply_policy_document('ada', $1, $2, '[]', '')", [basis, JSON.stringify(next)])).rejects.toMatchObject({
			code: "TG409",
		});
		expect([await changeCount(), await governance("search")]).toEqual(before);
	});

	test("neither a price, an admin key nor a freeze stands in its way", async () => {
		await applyPolicy(context, SMALL);
		const { basis } = await diffPolicy(context, SMALL.replace("100", "90"));
		const { id } = await createAdminKey(connections.pool, { name: "bob" }, "test");
		await createAdminKey(connections.pool, { name: "eve" }, "test");
		await revokeAdminKey(connections.pool, id, "test");
		await rows("SELECT tollgate.freeze_now('search', true, 'runaway', 'bob'), tollgate.record_change('price', 'openai/gpt-4o', 'bob', '{}')");
		expect((await applyPolicy(context, SMALL.replace("100", "90"), { basis })).isChanged).toBe(true);
		expect(await rows("SELECT is_frozen FROM tollgate.budget_window")).toEqual([{ is_frozen: true }]);
	});
});

describe("beside the teams' workflows", () => {
	const write = { teamId: "search", requestedBy: "bob", remove: [] };
	const limitOf = async () => (await rows<{ limit_amount: string }>("SELECT limit_amount FROM tollgate.budget_window"))[0]?.limit_amount;

	test("a team's revision becomes the next multiple of 1000", async () => {
		await applyPolicy(context, SMALL);
		expect(await governance("search")).toEqual({ revision: "1000", written_revision: "0", document_revision: "1000" });
		await applyPolicy(context, SMALL.replace("100", "90"));
		expect(await governance("search")).toEqual({ revision: "2000", written_revision: "0", document_revision: "2000" });
	});

	test("a team whose budgets it leaves alone keeps its revision", async () => {
		await applyPolicy(context, `${SMALL}  ranking:\n    budgets:\n      - { window: day, limitUsd: 5 }\n`);
		await applyPolicy(context, SMALL.replace("100", "90"));
		expect([(await governance("search"))?.revision, (await governance("ranking"))?.revision]).toEqual(["2000", "1000"]);
	});

	test("a change that was written and whose answer was lost is not written again over the policy", async () => {
		await applyPolicy(context, SMALL);
		const store = createPostgresBudgetStore(connection);
		const [budget] = (await store.readBudgets({ teamId: "search" })).budgets;
		const change = { ...write, revision: 1001, set: [{ ...budget!, limitAmount: "7" }] };
		expect(await store.writeBudgets(change)).toEqual({ heldRevision: 1001 });
		await applyPolicy(context, SMALL);
		expect(await store.writeBudgets(change)).toEqual({ heldRevision: 1001 });
		expect(await limitOf()).toBe("100000000000");
	});

	test("a freeze whose answer was lost is not decided again", async () => {
		await applyPolicy(context, SMALL);
		const store = createPostgresBudgetStore(connection);
		const freeze = { teamId: "search", isFrozen: true, reason: "late", requestedBy: "bob", revision: 1001 };
		expect((await store.setFrozen(freeze)).heldRevision).toBe(1001);
		await rows("SELECT tollgate.freeze_now('search', false, '', 'ada')");
		await applyPolicy(context, SMALL.replace("100", "90"));
		expect(await store.setFrozen(freeze)).toMatchObject({ heldRevision: 1001, freeze: { isFrozen: false } });
	});

	test("a change decided before the policy is fenced, and held only when it is written under a later revision", async () => {
		const store = createPostgresBudgetStore(connection);
		await applyPolicy(context, SMALL);
		const [budget] = (await store.readBudgets({ teamId: "search" })).budgets;
		const change = { ...write, revision: 1001, set: [{ ...budget!, limitAmount: "7" }] };
		await applyPolicy(context, SMALL.replace("100", "90"));
		expect(await store.writeBudgets(change)).toEqual({ heldRevision: 2000 });
		expect(await limitOf()).toBe("90000000000");
		const held = () => Promise.all([1000, 1001, 2000, 2001].map((revision) => isHeld(connections.pool, "search", revision)));
		expect(await held()).toEqual([true, false, true, false]);
		await store.writeBudgets({ ...change, revision: 2001 });
		expect(await held()).toEqual([true, true, true, true]);
		expect(await limitOf()).toBe("7");
	});
});
