import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { BudgetRule } from "#activities/authority/port.ts";
import type { Admission, AdmissionInput, Attempt, Refusal } from "#activities/request/port.ts";
import { compareIds } from "#domain/budget/match.ts";
import { NO_USAGE } from "#domain/usage/usage.ts";
import { insertBudget, withClient } from "#test/support/authority-rows.ts";
import { type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { identify, openRequestStand, type RequestStand, type RequestTeam } from "#test/support/request-stand.ts";

/** Ceilings of agent runs as budgets: a call meets those of its whole chain, on whatever gateway it comes in. */
const COST = 100n;

let stand: RequestStand;

beforeAll(async () => {
	stand = await openRequestStand();
});

afterEach(() => stand.closeGateways());

afterAll(() => stand.close());

let runs = 1_000;

type Ceiling = { readonly runId: string; readonly unit: BudgetRule["unit"]; readonly limit: bigint };
type Run = NonNullable<AdmissionInput["run"]>;

/** The ceilings as rows. */
async function open({ teamId }: RequestTeam, ceilings: readonly Ceiling[]): Promise<readonly BudgetRule[]> {
	return withClient(stand.databaseUrl, async (client) => {
		const rules: BudgetRule[] = [];
		for (const { runId, unit, limit } of ceilings) {
			const dimensionValue = String(++runs);
			const budgetId = await insertBudget(client, { teamId, dimension: "run", value: dimensionValue, limit, unit, windowKind: "lifetime" });
			rules.push({ budgetId, teamId, dimension: "run", dimensionValue, name: runId, unit, windowKind: "lifetime" });
		}
		return rules;
	});
}

/** What a call of the last of these runs meets; the others are above it. */
function chain(rules: readonly BudgetRule[], ...runIds: readonly string[]): Run {
	const budgets = rules.filter(({ name }) => runIds.includes(name ?? ""));
	return { runIds, budgets: [...budgets].sort((left, right) => compareIds(left.budgetId, right.budgetId)) };
}

async function call(gateway: TestGateway, team: RequestTeam, run: Run): Promise<Admission> {
	return gateway.authority.admit({ ...testCall(await identify(gateway, team.secret), testBound(COST)), run });
}

function settle(attempt: Attempt): void {
	const usage = { ...NO_USAGE, outputTokens: Number(COST) };
	attempt.settle({ reported: { kind: "usable", usage, model: undefined, serviceTier: undefined }, providerRequestId: null, httpStatus: 200, durationMs: 1 });
}

const attemptsOf = (admissions: readonly Admission[]): Attempt[] =>
	admissions.flatMap((admission) => (admission.kind === "admitted" ? [admission.attempt] : []));
const refusalsOf = (admissions: readonly Admission[]): Refusal[] =>
	admissions.flatMap((admission) => (admission.kind === "refused" ? [admission.refusal] : []));

/** By name and unit of the ceiling: the most that was ever granted, and what is spent. */
async function readCeilings(rules: readonly BudgetRule[]): Promise<Readonly<Record<string, { readonly granted: bigint; readonly posted: bigint }>>> {
	const rows = await withClient(stand.databaseUrl, (client) =>
		client.query<{ id: string; granted: string; posted: string }>(
			`SELECT w.budget_id::text AS id, (SELECT max(granted_after) FROM tollgate.window_event e WHERE e.window_id = w.id)::text AS granted,
			   (SELECT sum(posted) FROM tollgate.lease l WHERE l.window_id = w.id)::text AS posted
			 FROM tollgate.budget_window w WHERE w.budget_id = ANY ($1::bigint[])`,
			[rules.map(({ budgetId }) => budgetId)],
		),
	);
	const nameOf = (id: string) => rules.find(({ budgetId }) => budgetId === id)?.name ?? "";
	return Object.fromEntries(rows.rows.map(({ id, granted, posted }) => [nameOf(id), { granted: BigInt(granted), posted: BigInt(posted) }]));
}

it("a chain of three ceilings is passed by nobody on four gateways, and used to the last", async () => {
	const team = await stand.team(1_000_000n);
	const rules = await open(team, [
		{ runId: "root", unit: "nano_usd", limit: 100n * COST },
		{ runId: "left", unit: "steps", limit: 60n },
		{ runId: "right", unit: "steps", limit: 60n },
		{ runId: "leaf", unit: "output_tokens", limit: 30n * COST },
	]);
	const chains = [chain(rules, "root", "left", "leaf"), chain(rules, "root", "left"), chain(rules, "root", "right")];
	await Promise.all([1, 2, 3, 4].map(() => stand.start()));
	const calls = Array.from({ length: 240 }, (_, index) => ({
		gateway: stand.gateways[index % 4] ?? expect.fail("a gateway"),
		run: chains[index % 3] ?? expect.fail("a run"),
	}));
	const admissions = await Promise.all(calls.map(({ gateway, run }) => call(gateway, team, run)));

	const attempts = attemptsOf(admissions);
	expect(attempts).toHaveLength(100);
	for (const attempt of attempts) settle(attempt);
	await expect.poll(async () => (await readCeilings(rules))["root"]?.posted).toBe(100n * COST);
	const ceilings = await readCeilings(rules);
	for (const [name, limit] of [
		["root", 100n * COST],
		["left", 60n],
		["right", 60n],
		["leaf", 30n * COST],
	] as const) {
		expect([name, (ceilings[name]?.granted ?? 0n) <= limit, (ceilings[name]?.posted ?? 0n) <= limit]).toEqual([name, true, true]);
	}
	expect((ceilings["left"]?.posted ?? 0n) + (ceilings["right"]?.posted ?? 0n)).toBe(100n);
	// Each refusal names the ceiling of the chain that was short, and by its numbers it was.
	const ids = new Set(rules.map(({ budgetId }) => budgetId));
	for (const refusal of refusalsOf(admissions)) {
		expect(refusal).toMatchObject({ code: "budget.exceeded", budget: expect.stringMatching(/^run (root|left|right|leaf), lifetime/) });
		expect(ids).toContain(refusal.budgetId);
	}
	expect(stand.gateways.flatMap(({ alerts }) => alerts)).toEqual([]);
});

it("an observed budget of the team does not make a ceiling of its runs one that is only observed", async () => {
	const team = await stand.team(COST);
	const rules = await open(team, [{ runId: "watched", unit: "steps", limit: 2n }]);
	await withClient(stand.databaseUrl, (client) => client.query("UPDATE tollgate.budget SET mode = 'observe' WHERE id = $1", [team.budgetId]));
	const gateway = await stand.start();
	const admissions: Admission[] = [];
	for (let step = 0; step < 4; step++) admissions.push(await call(gateway, team, chain(rules, "watched")));
	for (const attempt of attemptsOf(admissions)) settle(attempt);
	expect(admissions.map(({ kind }) => kind)).toEqual(["admitted", "admitted", "refused", "refused"]);
	expect(refusalsOf(admissions)[0]).toMatchObject({ budget: "run watched, lifetime, steps", leftAmount: 0n });
});

it("beyond 32 windows a call is refused, before anything is asked", async () => {
	const team = await stand.team(1_000_000n);
	const rules = await open(
		team,
		Array.from({ length: 32 }, (_, index) => ({ runId: `r${index}`, unit: "steps" as const, limit: 5n })),
	);
	const gateway = await stand.start();
	const ids = rules.map(({ name }) => name ?? "");
	const refused = await call(gateway, team, chain(rules, ...ids));
	expect(refused).toMatchObject({
		kind: "refused",
		refusal: { code: "budget.too_many_windows", message: "This call meets 33 budgets; a call may meet at most 32." },
	});
	const fits = await call(gateway, team, chain(rules, ...ids.slice(1)));
	expect(fits.kind).toBe("admitted");
	for (const attempt of attemptsOf([fits])) settle(attempt);
});
