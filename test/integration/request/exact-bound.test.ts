import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import type { Admission, KeyIdentity } from "#activities/request/port.ts";
import type { Bound } from "#domain/bound/request.ts";
import { insertBudget, insertKey, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testCall } from "#test/support/request-authority.ts";

/** The exact bound is asked for only where the byte bound would refuse or clamp, and then decides. */

let database: TestDatabase;
let gateway: TestGateway;
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
	gateway = await startTestGateway(database.url, "exact");
});

afterAll(async () => {
	await gateway.close();
	await database.close();
});

beforeEach(() => {
	gateway.refusals.length = 0;
});

/** A bound whose every token, in and out, costs one nano-dollar. */
function boundOf(inputTokens: number, outputTokens: number, floor?: number): Bound {
	const at = (output: number) => ({ nanoUsd: BigInt(inputTokens + output), tokens: inputTokens + output });
	return {
		reach: { tiers: ["standard"], tokenPermille: 1_000 },
		inputTokens,
		outputTokens,
		...at(outputTokens),
		clampFloorTokens: floor,
		at,
		clampTo: ({ nanoUsd = 1_000_000n, tokens = 1_000_000 }) => {
			const cap = Math.min(outputTokens, Number(nanoUsd) - inputTokens, tokens - inputTokens);
			return cap >= (floor ?? outputTokens) ? cap : undefined;
		},
	};
}

async function keyOfNewTeam(limit: bigint): Promise<KeyIdentity> {
	const teamId = `exact${++number}`;
	const secret = await withClient(database.url, async (client) => {
		await insertTeam(client, teamId, { admissionWaitMs: 0 });
		await insertBudget(client, { teamId, limit });
		return insertKey(client, teamId);
	});
	const resolved = await gateway.authority.resolveKey(secret);
	return resolved.kind === "known" ? resolved.key : expect.fail(resolved.message);
}

const refineTo = (exact: Bound | undefined) => vi.fn(async () => exact);

async function admit(key: KeyIdentity, bound: Bound, refineBound: () => Promise<Bound | undefined>): Promise<Admission> {
	return gateway.authority.admit({ ...testCall(key, bound), refineBound });
}

it("is not asked for while the byte bound fits, on the first call and on a live lease", async () => {
	const key = await keyOfNewTeam(10_000n);
	const refine = refineTo(boundOf(1, 10));
	for (let call = 0; call < 3; call += 1)
		expect(await admit(key, boundOf(100, 10), refine)).toMatchObject({ kind: "admitted", attempt: { reservedNanoUsd: 110n } });
	expect(refine).not.toHaveBeenCalled();
});

it("admits a call that only its bytes would have refused, and no refusal is booked", async () => {
	const key = await keyOfNewTeam(1_000n);
	expect(await admit(key, boundOf(2_000, 100), refineTo(boundOf(500, 100)))).toMatchObject({ kind: "admitted", attempt: { reservedNanoUsd: 600n } });
	expect(gateway.refusals).toEqual([]);
});

it("refuses with the exact need where that is too much as well, also from memory", async () => {
	const key = await keyOfNewTeam(1_000n);
	for (let call = 0; call < 2; call += 1) {
		expect(await admit(key, boundOf(5_000, 100), refineTo(boundOf(2_000, 100)))).toMatchObject({ kind: "refused", refusal: { code: "budget.exceeded" } });
	}
	expect(gateway.refusals.map(({ need, isRemembered }) => ({ need, isRemembered }))).toEqual([
		{ need: "2100", isRemembered: expect.any(Boolean) },
		{ need: "2100", isRemembered: true },
	]);
	expect(await admit(key, boundOf(5_000, 100), refineTo(boundOf(800, 100)))).toMatchObject({ kind: "admitted" });
});

it("is the byte bound's refusal where no exact one can be told", async () => {
	const key = await keyOfNewTeam(1_000n);
	expect(await admit(key, boundOf(5_000, 100), refineTo(undefined))).toMatchObject({ kind: "refused" });
	expect(gateway.refusals).toMatchObject([{ need: "5100" }]);
});

it("loosens a clamp, or lifts it, in the money that is held", async () => {
	const loosened = await admit(await keyOfNewTeam(1_000n), boundOf(800, 4_000, 100), refineTo(boundOf(500, 4_000, 100)));
	expect(loosened).toMatchObject({ kind: "admitted", attempt: { clampedOutputTokens: 500, reservedNanoUsd: 1_000n } });
	const lifted = await admit(await keyOfNewTeam(1_000n), boundOf(800, 400, 100), refineTo(boundOf(500, 400, 100)));
	expect(lifted).toMatchObject({ kind: "admitted", attempt: { clampedOutputTokens: undefined, reservedNanoUsd: 1_000n } });
});

it("clamps under the exact bound a call that not even the floor admits by its bytes", async () => {
	const key = await keyOfNewTeam(1_000n);
	expect(await admit(key, boundOf(2_000, 4_000, 100), refineTo(boundOf(500, 4_000, 100)))).toMatchObject({
		kind: "admitted",
		attempt: { clampedOutputTokens: 500 },
	});
});
