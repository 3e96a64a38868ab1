import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Admission } from "#activities/request/port.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { insertKey, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { identify, openRequestStand, type RequestStand } from "#test/support/request-stand.ts";

/** What a gateway makes of observed budgets, lines that need approval and lines that degrade, on real PostgreSQL. */
let stand: RequestStand;

beforeAll(async () => {
	stand = await openRequestStand();
});

afterEach(() => stand.closeGateways());

afterAll(() => stand.close());

const SELECTOR = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" } as const;

type Team = {
	readonly teamId: string;
	readonly secret: string;
	define(rules: Partial<BudgetDefinition>): Promise<void>;
	approve(amount: number): Promise<void>;
};

async function createTeam(rules: Partial<BudgetDefinition>): Promise<Team> {
	const teamId = stand.newName("team");
	let revision = 0;
	const sql = (text: string, values: unknown[]) => withClient(stand.databaseUrl, (client) => client.query(text, values));
	const define = async (changes: Partial<BudgetDefinition>): Promise<void> => {
		await sql("SELECT tollgate.apply_policy($1, $2, 'test', $3, '[]')", [
			teamId,
			++revision,
			JSON.stringify([{ ...DAILY_BUDGET, thresholds: [], ...changes }]),
		]);
	};
	const approve = async (amount: number): Promise<void> => {
		const open = "SELECT starts_at FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1";
		await sql(`SELECT tollgate.approve_line($1, $2, 'boss', $3, (${open}), $4)`, [teamId, ++revision, SELECTOR, amount]);
	};
	const secret = await withClient(stand.databaseUrl, async (client) => {
		await insertTeam(client, teamId, { admissionWaitMs: 0 });
		return insertKey(client, teamId);
	});
	await define(rules);
	return { teamId, secret, define, approve };
}

/** Asks as the pipeline does: a call that a line degrades is asked for again as what serves it. */
async function call(gateway: TestGateway, team: Team, cost: bigint, { model = "test-model", floor }: { model?: string; floor?: number } = {}) {
	const path = [model];
	let input = { ...testCall(await identify(gateway, team.secret), testBound(cost, floor)), model };
	let admission: Admission = await gateway.authority.admit(input);
	while (admission.kind === "refused" && admission.servedAs !== undefined) {
		path.push(admission.servedAs.served);
		input = { ...input, model: admission.servedAs.served, serving: admission.servedAs };
		admission = await gateway.authority.admit(input);
	}
	return { path, admission, code: admission.kind === "refused" ? admission.refusal.code : "admitted" };
}

const codes = async (gateway: TestGateway, team: Team, costs: readonly bigint[]): Promise<string[]> => {
	const seen: string[] = [];
	for (const cost of costs) seen.push((await call(gateway, team, cost)).code);
	return seen;
};

describe("an observed budget", () => {
	it("lets everything pass, and says of each call what it would have refused, with the numbers that prove it", async () => {
		const team = await createTeam({ mode: "observe" });
		const gateway = await stand.start();
		expect(
			await codes(
				gateway,
				team,
				Array.from({ length: 12 }, () => 100n),
			),
		).toEqual(Array(12).fill("admitted"));
		expect(gateway.refusals.map(({ code, isObserved }) => ({ code, isObserved }))).toEqual(Array(2).fill({ code: "budget.exceeded", isObserved: true }));
		for (const { limitAmount, granted, idle, need } of gateway.refusals)
			expect(BigInt(limitAmount!) - BigInt(granted!) + BigInt(idle!)).toBeLessThan(BigInt(need!));
		expect(gateway.records.filter(({ type }) => type === "refusal")).toHaveLength(2);
		expect(gateway.authority.counters).toMatchObject({ refused: 0, observedRefusals: 2, clamped: 0 });
	});

	it("clamps nothing, and tells no caller what is left of it", async () => {
		const team = await createTeam({ mode: "observe" });
		const { admission } = await call(await stand.start(), team, 5_000n, { floor: 10 });
		expect(admission).toMatchObject({ kind: "admitted", attempt: { clampedOutputTokens: undefined, budgetLeftNanoUsd: undefined, reservedNanoUsd: 5_000n } });
	});

	it("costs no round trip that an enforced one does not, past its limit neither", async () => {
		const grantsFor = async (mode: BudgetDefinition["mode"], limitAmount: string): Promise<number> => {
			const team = await createTeam({ mode, limitAmount });
			const gateway = await stand.start();
			await codes(
				gateway,
				team,
				Array.from({ length: 60 }, () => 10n),
			);
			return gateway.authority.counters.sqlRoundTripsBeforeSend;
		};
		const enforced = await grantsFor("enforce", "1000000");
		expect(await grantsFor("observe", "1000000")).toBeLessThanOrEqual(enforced);
		expect(await grantsFor("observe", "50")).toBeLessThanOrEqual(enforced + 1);
	});

	it("stops new calls when it is enforced with more spent than its limit, and none before it is observed again", async () => {
		const team = await createTeam({ mode: "observe" });
		const gateway = await stand.start();
		await codes(gateway, team, [900n, 900n]);
		await team.define({ mode: "enforce" });
		await expect.poll(async () => (await call(gateway, team, 1n)).code, { timeout: 5_000 }).toBe("budget.exceeded");
		expect(await codes(gateway, team, [1n, 1n])).toEqual(["budget.exceeded", "budget.exceeded"]);
		await team.define({ mode: "observe" });
		await expect.poll(async () => (await call(gateway, team, 1n)).code, { timeout: 5_000 }).toBe("admitted");
	});
});

describe("a line that needs approval", () => {
	it("stops spend with a code of its own that says whom to ask, until it is approved", async () => {
		const team = await createTeam({ thresholds: [{ action: "needApproval", at: { basisPoints: 5000 } }] });
		const gateway = await stand.start();
		expect(await codes(gateway, team, [400n, 200n])).toEqual(["admitted", "budget.needs_approval"]);
		const { admission } = await call(gateway, team, 200n);
		expect(admission).toMatchObject({
			refusal: { message: expect.stringMatching(/needs the approval of a person.*budget increase list --team team\d+/) },
		});
		// What not even an approval would let pass is simply too much.
		expect((await call(gateway, team, 700n)).code).toBe("budget.exceeded");
		await team.approve(500);
		await expect.poll(async () => (await call(gateway, team, 200n)).code, { timeout: 5_000 }).toBe("admitted");
		expect(await codes(gateway, team, [400n, 500n])).toEqual(["admitted", "budget.exceeded"]);
	});
});

describe("a line that degrades", () => {
	const degrade = (amount: string, degradeTo: Record<string, string>) => ({ action: "degrade" as const, at: { amount }, degradeTo });

	it("serves a call beyond it by another alias, in one ask where the lease is known; other models are untouched", async () => {
		const team = await createTeam({ thresholds: [degrade("500", { dear: "cheap" })] });
		const gateway = await stand.start();
		expect(await call(gateway, team, 450n, { model: "dear" })).toMatchObject({ path: ["dear"], code: "admitted" });
		expect(await call(gateway, team, 60n, { model: "dear" })).toMatchObject({ path: ["dear", "cheap"], code: "admitted" });
		const before = gateway.authority.counters.grants;
		expect(await call(gateway, team, 20n, { model: "dear" })).toMatchObject({ path: ["dear", "cheap"], code: "admitted" });
		expect(await call(gateway, team, 20n, { model: "other" })).toMatchObject({ path: ["other"], code: "admitted" });
		expect(gateway.authority.counters.grants - before).toBeLessThanOrEqual(2);
		expect(gateway.refusals).toEqual([]);
		const reservations = gateway.records.flatMap((record) => (record.type === "reservation" ? [record] : []));
		expect(reservations.map(({ model, degraded }) => [model, degraded?.askedModel])).toEqual([
			["dear", undefined],
			["cheap", "dear"],
			["cheap", "dear"],
			["other", undefined],
		]);
		expect(JSON.parse(JSON.stringify(reservations[0]))).not.toHaveProperty("degraded");
		for (const { degraded } of reservations.slice(1, 3)) {
			expect(degraded?.by).toMatchObject({ place: 1, lineAmount: "500" });
			const { lineAmount, granted, idle, need } = degraded?.by ?? expect.fail("a line");
			expect(BigInt(lineAmount) - BigInt(granted) + BigInt(idle)).toBeLessThan(BigInt(need));
		}
	});

	it("of several the highest reached holds, and the limit goes on to stop", async () => {
		const team = await createTeam({ thresholds: [degrade("300", { dear: "middle" }), degrade("600", { dear: "cheap", middle: "cheap" })] });
		const gateway = await stand.start();
		expect((await call(gateway, team, 300n, { model: "dear" })).path).toEqual(["dear"]);
		expect((await call(gateway, team, 300n, { model: "dear" })).path).toEqual(["dear", "middle"]);
		expect((await call(gateway, team, 300n, { model: "dear" })).path).toEqual(["dear", "middle", "cheap"]);
		const degraded = gateway.records.flatMap((record) => (record.type === "reservation" && record.degraded ? [record.degraded] : []));
		expect(degraded.map(({ askedModel, by }) => [askedModel, by.place])).toEqual([
			["dear", 1],
			["dear", 2],
		]);
		expect(await call(gateway, team, 300n, { model: "dear" })).toMatchObject({ path: ["dear", "middle", "cheap"], code: "budget.exceeded" });
	});

	it("holds between gateways: what is granted beyond it on one is not used for the dear model on another", async () => {
		const team = await createTeam({ thresholds: [degrade("500", { dear: "cheap" })] });
		const [one, two] = [await stand.start(), await stand.start()];
		expect((await call(one, team, 700n, { model: "other" })).code).toBe("admitted");
		expect(await call(two, team, 10n, { model: "dear" })).toMatchObject({ path: ["dear", "cheap"], code: "admitted" });
	});
});
