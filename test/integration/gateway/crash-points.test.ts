import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CRASH_POINTS } from "#activities/process/crash-point.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

let stand: GatewayStand;

beforeAll(async () => {
	stand = await openGatewayStand();
});

afterAll(() => stand.close());

const pendingMoney = () =>
	withClient(
		stand.database.url,
		async (client) =>
			(
				await client.query<{ pending: string }>(
					"SELECT coalesce(sum(l.granted - l.returned - l.posted), 0)::text AS pending FROM tollgate.lease l JOIN tollgate.gateway_epoch e USING (gateway_id, epoch) WHERE e.closed_at IS NOT NULL",
				)
			).rows[0]?.pending,
	);

/** Calls one after another until the process is gone; the call it dies on breaks. */
async function callUntilGone(gateway: GatewayProcess, key: string, run: string | undefined): Promise<void> {
	while (gateway.child.signalCode === null && gateway.child.exitCode === null) {
		await chat(gateway, key, { simulate: { latencyMs: 20 }, ...(run !== undefined && { run }) }).catch(() => gateway.exited);
	}
}

describe("kill -9 at each named crash point", () => {
	for (const point of CRASH_POINTS) {
		it(`${point}: after the next start the books balance with the provider's log`, async () => {
			const gatewayId = `c_${point.replaceAll("-", "_")}`;
			const { key } = await stand.team(100_000_000_000n);
			const doomed = await stand.start(gatewayId, { NODE_OPTIONS: preloading(`crash-hook.mjs?${point}:3`) });
			const run = `crash-${point}`;
			// Half of them are steps of one agent run.
			await Promise.all(Array.from({ length: 6 }, (_, caller) => callUntilGone(doomed, key, caller % 2 === 0 ? run : undefined)));
			expect(doomed.child.signalCode).toBe("SIGKILL");

			const next = await stand.start(gatewayId);
			expect((await chat(next, key)).status).toBe(200);
			expect((await chat(next, key, { run })).status).toBe(200);
			const { report, findings } = await stand.verify();
			expect(findings).toEqual([]);
			expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, pendingPastTime: 0 });
			await next.end();
			expect(await pendingMoney()).toBe("0");
		}, 60_000);
	}

	it("no environment arms one in a gateway as it is shipped", async () => {
		await expect(stand.start("armed", { TOLLGATE_CRASH_AT: "after-reserve:1" })).rejects.toThrow(/TOLLGATE_CRASH_AT: there is no such setting/);
		const shipped = listProjectFiles([".ts", ".mjs"]).filter((file) => !file.startsWith("test/"));
		const armed = shipped.filter((file) => /^(?! \*).*(kill\(process\.pid|crash-hook)/m.test(readFileSync(path.join(PROJECT_FOLDER, file), "utf8")));
		expect(armed).toEqual([]);
	});

	it("a second process with a live holder's identity is turned away", async () => {
		const first = await stand.start("twin");
		await expect(stand.start("twin")).rejects.toThrow(/holder/);
		await first.end();
	}, 60_000);
});
