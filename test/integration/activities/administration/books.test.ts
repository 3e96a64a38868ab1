import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainRequest } from "#activities/administration/explain.ts";
import { listLeases, resolveLease } from "#activities/administration/leases.ts";
import { refusalItem } from "#activities/ledger/ledger-row.ts";
import { settleChunk } from "#activities/ledger/settle-chunk.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { refusalRecord } from "#test/support/ledger-records.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;

beforeAll(async () => {
	ledger = await TestLedger.open();
	await ledger.sql("INSERT INTO tollgate.price_version (version, source, checksum, created_by) VALUES (1, 'test', '', 'ada')");
	await ledger.sql(
		'UPDATE tollgate.price_line SET line = line || \'{"kind": "chat", "protocol": "openai", "hiddenTokensPerRequest": 0, "hiddenTokensPerMessage": 0, "isReasoning": false}\'',
	);
	await ledger.settle({ n: 1 }, { n: 2 });
	await ledger.settle({ n: 3, outcome: "unresolved", reserved: 500n });
	await ledger.refuse({ limit: 1_000_000_000n, granted: 900n, idle: 0n, need: 999_999_999n });
	await ledger.settle({ n: 4, outcome: "unresolved", reserved: 700n });
	await ledger.sql("SELECT tollgate.adjust_attempt('g1-1-4', 200, 150, 'test', 'ada')");
});
afterAll(() => ledger.close());

describe("explain", () => {
	test("says what a call cost and how that was made", async () => {
		const { attempts } = await explainRequest(ledger.client, "r1");
		expect(attempts).toMatchObject([
			{
				attemptId: "g1-1-1",
				outcome: "settled",
				costNanoUsd: "200",
				usage: { inputTokens: 100, outputTokens: 50 },
				price: { costNanoUsd: "200", priceVersion: 1 },
				budgets: [{ name: "team, lifetime" }],
				entries: [{ kind: "charge", amountNanoUsd: "200" }],
			},
		]);
	});

	test("shows what happened to a charge afterwards", async () => {
		const { attempts } = await explainRequest(ledger.client, "r4");
		expect(attempts[0]?.entries.map((entry) => [entry.kind, entry.amountNanoUsd])).toEqual([
			["unresolved", "700"],
			["adjustment", "-500"],
		]);
	});

	test("shows the numbers of a refusal", async () => {
		expect((await explainRequest(ledger.client, "r")).refusals).toMatchObject([
			{ refusalId: "g1-1-f-1", code: "budget.exceeded", budget: "team, lifetime", unit: "nano_usd", needAmount: "999999999" },
		]);
	});

	test("shows by which limit a call was refused, how it stood, and how many more it refused", async () => {
		const refusal = refusalRecord(1, {
			...{ refusalId: "g1-1-l-1", requestId: "limited", code: "limit.tokens", budgetId: null, windowId: null, windowSeq: null },
			...{ limitName: "tokens; dimension=user; limit=1000", limitAmount: "1000", stoodAt: "950", need: "51", waitedMs: 600, unrecordedBefore: 7 },
			...{ granted: null, idle: null, openReservations: null },
		});
		await settleChunk({ query: (_name, text, values) => ledger.sql(text, values) }, { gatewayId: "g1", epoch: 1n }, [refusalItem(refusal)]);
		expect((await explainRequest(ledger.client, "limited")).refusals).toEqual([
			{
				...{ refusalId: "g1-1-l-1", at: "2026-09-21T14:13:20.001Z", code: "limit.tokens", teamId: "demo", keyId: "key_0123456789abcdef" },
				...{ budget: null, unit: null, grantedAmount: null, idleAmount: null, isObserved: false },
				...{ limitName: "tokens; dimension=user; limit=1000", limitAmount: "1000", stoodAtAmount: "950", needAmount: "51" },
				...{ waitedMs: 600, unrecordedBefore: 7, line: null },
			},
		]);
	});

	test("shows by which cap a batch was refused, and its request that is beyond it", async () => {
		const limitName = "output_tokens; dimension=team; limit=10; cap";
		const refusal = refusalRecord(1, {
			...{ refusalId: "g1-1-l-2", requestId: "batch_1", code: "limit.cap", budgetId: null, windowId: null, windowSeq: null },
			...{ limitName, limitAmount: "10", need: "20", granted: null, idle: null, openReservations: null, line: 12 },
		});
		await settleChunk({ query: (_name, text, values) => ledger.sql(text, values) }, { gatewayId: "g1", epoch: 1n }, [refusalItem(refusal)]);
		expect((await explainRequest(ledger.client, "batch_1")).refusals).toMatchObject([{ code: "limit.cap", limitName, needAmount: "20", line: 12 }]);
	});

	test("an unknown request is not found", async () => {
		await expect(explainRequest(ledger.client, "nothing")).rejects.toMatchObject({ code: "admin.not_found" });
	});
});

describe("leases", () => {
	test("list what gateways hold", async () => {
		await ledger.grant(5_000n);
		expect(await listLeases(ledger.client, { isAll: false })).toMatchObject([
			{ gatewayId: "g1", epoch: "1", teamId: "demo", budget: "team, lifetime", pendingAmount: "5000", closedHow: null },
		]);
		expect((await listLeases(ledger.client, { isAll: true })).map((lease) => lease.gatewayId)).toEqual(["g1", "verify"]);
	});

	test("of a living gateway cannot be resolved", async () => {
		await expect(resolveLease(ledger.client, { gatewayId: "g1", epoch: "1", spentUsd: "0" }, "ada")).rejects.toMatchObject({ code: "admin.conflict" });
		await expect(resolveLease(ledger.client, { gatewayId: "g9", epoch: "1", spentUsd: "0" }, "ada")).rejects.toMatchObject({ code: "admin.not_found" });
		await expect(resolveLease(ledger.client, { gatewayId: "g1", epoch: "1", spentUsd: "-1" }, "ada")).rejects.toMatchObject({ code: "admin.invalid" });
	});

	test("of a gateway that never comes back go down to what was spent, and the books stay right", async () => {
		await ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - interval '2 minutes'");
		const first = await resolveLease(ledger.client, { gatewayId: "g1", epoch: "1", spentUsd: "0.000001" }, "ada");
		expect(first.lumps).toEqual([{ entryKey: "lump/g1/1/demo", amountNanoUsd: "1000" }]);
		const again = await resolveLease(ledger.client, { gatewayId: "g1", epoch: "1", spentUsd: "0" }, "ada");
		expect(again.lumps).toEqual([{ entryKey: "lump/g1/1/demo", amountNanoUsd: "0" }]);
		expect((await ledger.sql("SELECT granted FROM tollgate.budget_window"))[0]).toEqual({ granted: "1100" });
		expect((await ledger.sql("SELECT DISTINCT admin_name FROM tollgate.change WHERE kind = 'lease'"))[0]).toEqual({ admin_name: "ada" });
		const { report, findings } = await verifyLedger({ databaseUrl: ledger.database.url });
		expect(findings.filter((finding) => finding.kind !== "false_refusal")).toEqual([]);
		expect(report).toMatchObject({ unresolved: 1, pendingPastTime: 0 });
	});
});
