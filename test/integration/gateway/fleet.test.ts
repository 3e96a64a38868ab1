import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

let stand: GatewayStand;
let gateways: GatewayProcess[] = [];
let number = 0;

beforeAll(async () => {
	stand = await openGatewayStand();
});

afterEach(async () => {
	await Promise.all(gateways.map((gateway) => gateway.end()));
	gateways = [];
});

afterAll(() => stand.close());

async function start(count: number): Promise<GatewayProcess[]> {
	gateways = await Promise.all(Array.from({ length: count }, () => stand.start(`f${++number}`)));
	return gateways;
}

/** What one call of the test holds. Its bytes are those of the real ones: hold names are equally long. */
async function reservationOf(gateway: GatewayProcess, holdName: string): Promise<bigint> {
	const { key } = await stand.team(1_000_000_000n);
	await stand.provider.control("release", { name: holdName });
	const answer = await chat(gateway, key, { maxTokens: 100, simulate: { holdUntil: holdName } });
	expect(answer.status).toBe(200);
	await stand.verify(); // flushes
	return withClient(stand.database.url, async (client) => {
		const { rows } = await client.query<{ reserved: string }>("SELECT reserved_nano_usd::text AS reserved FROM tollgate.attempt WHERE request_id = $1", [
			answer.headers.get("x-tollgate-request-id"),
		]);
		return BigInt(rows[0]?.reserved ?? "0");
	});
}

describe("200 simultaneous calls over HTTP, the provider holding its answers until all are decided, wait 0", () => {
	for (const gatewayCount of [1, 4]) {
		it(`serves exactly what the limit has room for on ${gatewayCount} gateway${gatewayCount > 1 ? "s" : ""}, first use of a new team included`, async () => {
			const running = await start(gatewayCount);
			const served = 37;
			const reserved = await reservationOf(running[0] ?? expect.fail("a gateway"), `probe-${gatewayCount}`);
			expect(reserved).toBeGreaterThan(0n);
			const { key } = await stand.team(BigInt(served) * reserved, { admissionWaitMs: 0 });
			const holdName = `hold0-${gatewayCount}`;
			let refused = 0;
			const answers = await Promise.all(
				Array.from({ length: 200 }, async (_, index) => {
					const answer = await chat(running[index % gatewayCount] ?? expect.fail("a gateway"), key, { maxTokens: 100, simulate: { holdUntil: holdName } });
					if (answer.status === 402) refused += 1;
					if (refused === 200 - served) await stand.provider.control("release", { name: holdName });
					return answer.status;
				}),
			);
			expect(answers.filter((status) => status === 200).length).toBe(served);
			expect(answers.filter((status) => status === 402).length).toBe(200 - served);
			const { report, findings } = await stand.verify();
			expect(findings).toEqual([]);
			expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, lost: 0, duplicated: 0 });
		}, 120_000);
	}
});
