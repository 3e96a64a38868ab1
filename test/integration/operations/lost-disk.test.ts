import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listLeases, resolveLease } from "#activities/administration/leases.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { chat, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";

/** A gateway dies and its disk, journal included, is gone (docs/operations.md). */

let stand: GatewayStand;
let client: pg.Client;
beforeAll(async () => {
	stand = await openGatewayStand();
	client = new pg.Client({ connectionString: stand.database.url });
	await client.connect();
});
afterAll(async () => {
	await client.end();
	await stand.close();
});

test("its lease is listed with how long it is silent, stays charged, and goes down to what was spent when a person resolves it", async () => {
	const { key, teamId } = await stand.team(1_000_000_000n);
	const disk = mkdtempSync(path.join(tmpdir(), "tollgate-lost-disk-"));
	// It dies with an answer in its hands: the provider has billed it, the ledger will never hear of it.
	const lost = await stand.start("lost", { TOLLGATE_HOME: disk, NODE_OPTIONS: preloading("crash-hook.mjs?after-answer:2") });
	expect((await chat(lost, key)).status).toBe(200);
	await until("the first call in the ledger", async () => (await client.query("SELECT FROM tollgate.attempt WHERE team_id = $1", [teamId])).rowCount === 1);
	await expect(chat(lost, key)).rejects.toThrow();
	await lost.exited;
	rmSync(disk, { recursive: true, force: true });

	// Another gateway of the team goes on, with what is not held.
	const other = await stand.start("other");
	expect((await chat(other, key)).status).toBe(200);
	const [held] = (await listLeases(client, { isAll: false })).filter(({ gatewayId }) => gatewayId === "lost");
	expect(held).toMatchObject({ epoch: "1", teamId, closedHow: null });
	expect(BigInt(held?.pendingAmount ?? 0)).toBeGreaterThan(0n);
	const resolve = (spentUsd: string) => resolveLease(client, { gatewayId: "lost", epoch: "1", spentUsd }, "ada");
	await expect(resolve("0")).rejects.toMatchObject({ code: "admin.conflict" });

	// A minute later; only PostgreSQL's clock counts.
	await client.query("UPDATE tollgate.gateway_epoch SET last_seen_at = last_seen_at - interval '61 seconds' WHERE gateway_id = 'lost'");
	const spent = costOf("lost-1-2");
	const resolved = await resolve(formatUsd(spent));
	expect(resolved.lumps).toEqual([{ entryKey: `lump/lost/1/${teamId}`, amountNanoUsd: spent.toString() }]);
	expect((await listLeases(client, { isAll: false })).map(({ gatewayId }) => gatewayId)).not.toContain("lost");
	const { report, findings } = await verifyLedger({ databaseUrl: stand.database.url, providerLogPath: stand.provider.callLogPath });
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, lost: 0, duplicated: 0, pendingPastTime: 0, falseRefusals: 0 });
}, 60_000);

/** gpt-4o: 2.50 and 10.00 USD per million tokens. */
function costOf(attemptId: string): bigint {
	const usage = stand.provider.callsOf(attemptId)[0]?.usage as { prompt_tokens: number; completion_tokens: number };
	return BigInt(usage.prompt_tokens) * 2_500n + BigInt(usage.completion_tokens) * 10_000n;
}
