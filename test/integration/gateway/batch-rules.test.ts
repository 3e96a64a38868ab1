import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { chatLines } from "#test/support/gateway-batches.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { applyPolicy, diffPolicy, policyContext, readCurrentPolicy } from "#test/support/policy.ts";
import { until } from "#test/support/until.ts";

/** From the file of policy to the batch: a gateway as the process it is, which is never started again. */

let stand: GatewayStand;
let gateway: GatewayProcess;
let sql: Connection;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateway = await stand.start("rules");
	sql = new Connection({ url: stand.database.url, applicationName: "test-batch-rules" });
});
afterAll(async () => {
	await sql?.close();
	await stand?.close();
});

test("what a policy says of a key's batches holds for those made after it, and those made before keep theirs", async () => {
	const { teamId, key } = await stand.team(1_000_000_000n);
	const openai = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
	const file = await openai.files.create({ file: await toFile(Buffer.from(chatLines(1)), "in.jsonl"), purpose: "batch" });
	const store = createPostgresBatchStore(sql);
	const make = async () => (await openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" })).id;
	const rulesOf = async (batchId: string) => (await store.read(batchId))?.rules;
	const before = await make();
	expect(await rulesOf(before)).toEqual({ mayResubmit: false, mayRelane: false });
	await withClient(stand.database.url, async (client) => {
		const { rows } = await client.query<{ id: string }>("SELECT id FROM tollgate.virtual_key WHERE team_id = $1", [teamId]);
		const keyId = rows[0]?.id ?? "";
		const policy = (batches: string) => `version: 1\nteams:\n  ${teamId}:\n    keys:\n      ${keyId}: { batches: ${batches} }\n`;
		const context = policyContext(client);
		expect((await diffPolicy(context, policy("{ resubmit: true }"))).changes).toMatchObject([{ kind: "change", path: `teams.${teamId}.keys.${keyId}` }]);
		await applyPolicy(context, policy("{ resubmit: true }"));
		expect((await readCurrentPolicy(client)).policy.teams[teamId]?.keys[keyId]).toMatchObject({ resubmitsBatches: true });
		expect((await diffPolicy(context, policy("{ resubmit: true }"))).changes).toEqual([]);
		const resubmitted = await until("the rule to be in force", async () => {
			const batchId = await make();
			return (await rulesOf(batchId))?.mayResubmit === true && batchId;
		});
		expect(await rulesOf(before)).toEqual({ mayResubmit: false, mayRelane: false });
		await applyPolicy(context, policy("{ resubmit: false, relane: true }"));
		const relaned = await until("the other rule to be in force", async () => {
			const batchId = await make();
			return (await rulesOf(batchId))?.mayRelane === true && batchId;
		});
		expect(await rulesOf(relaned)).toEqual({ mayResubmit: false, mayRelane: true });
		const heldOf = async (batchId: string) => BigInt((await store.read(batchId))?.heldNanoUsd ?? 0);
		expect(await heldOf(relaned)).toBeGreaterThan(await heldOf(before));
		await applyPolicy(context, policy("{ relane: false }"));
		await until("the rules to be gone", async () => (await rulesOf(await make()))?.mayRelane === false);
		expect(await rulesOf(resubmitted)).toEqual({ mayResubmit: true, mayRelane: false });
	});
});
