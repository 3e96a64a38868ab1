import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { identify, openRequestStand, type RequestStand, type RequestTeam, settleAt } from "#test/support/request-stand.ts";

/** An answer to a claim is an answer to one ask: money that came idle since must be asked for again. */
let stand: RequestStand;

beforeAll(async () => {
	stand = await openRequestStand();
});

afterEach(() => stand.closeGateways());

afterAll(() => stand.close());

async function call(gateway: TestGateway, team: RequestTeam, nanoUsd: bigint): Promise<Admission> {
	return gateway.authority.admit(testCall(await identify(gateway, team.secret), testBound(nanoUsd)));
}

async function attempt(gateway: TestGateway, team: RequestTeam, nanoUsd: bigint): Promise<Attempt> {
	const admission = await call(gateway, team, nanoUsd);
	if (admission.kind === "refused") throw new Error(admission.refusal.message);
	return admission.attempt;
}

describe("a call that does not wait", () => {
	it("gets money that came idle after an earlier call's claim was answered", async () => {
		const team = await stand.team(1_000n);
		const [holder, asker] = await Promise.all([stand.start(), stand.start()]);
		const open = await attempt(holder, team, 900n);
		expect((await call(asker, team, 950n)).kind).toBe("refused");
		settleAt(open, 1n);
		expect((await call(asker, team, 950n)).kind).toBe("admitted");
	});
});
