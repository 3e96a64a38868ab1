import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Client, Connection } from "@temporalio/client";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatUsd } from "#domain/money/wire.ts";
import { pastedWords } from "#test/support/pasted-command.ts";
import { type System, startSystem, verify } from "#test/support/system.ts";
import { chat, tollgateJson, tollgateRefused } from "#test/support/system-commands.ts";
import { until } from "#test/support/until.ts";

/** A team asks at the command line, one person decides there and another in Temporal, judged by the next call on any of two gateways. */
let system: System;
let grace: string;

beforeAll(async () => {
	system = await startSystem({ TOLLGATE_GATEWAYS: "2" });
	const { key } = await tollgateJson<{ key: string }>(system, ["admin-key", "create", "grace"]);
	grace = path.join(system.home, "grace");
	await writeFile(grace, key, { mode: 0o600 });
}, 120_000);

afterAll(async () => {
	await system?.close();
});

type Asked = { readonly id: string; readonly status: string; readonly requestedBy: string };

const json = <Result = Asked>(line: string, ...more: string[]) => tollgateJson<Result>(system, [...line.split(" "), ...more]);

/** Statuses of calls over connections of their own: with 12, two gateways miss none but once in two thousand times. */
async function statuses(key: string): Promise<number[]> {
	return [...new Set((await Promise.all(Array.from({ length: 12 }, () => chat(system, key)))).map(({ status }) => status))];
}

it("approved, it is spent on every gateway at once and gone on its date; by hand, the audit log says so; the books are in order", async () => {
	await json("team create search --limit 0.000000001 --window day");
	await json("team set search --admission-wait-ms 0");
	const { key } = await json<{ key: string }>("key create --team search");
	expect(await statuses(key)).toEqual([402]);

	const asked = await json("budget increase request --team search --amount 5 --reason launch --until", new Date(Date.now() + 15_000).toISOString());
	expect(asked.status).toBe("pending");
	expect(await tollgateRefused(system, ["budget", "increase", "approve", asked.id])).toMatchObject({
		exitCode: 1,
		message: expect.stringContaining("(admin.forbidden)"),
	});
	expect((await json(`budget increase approve ${asked.id} --admin-key-file ${grace}`)).status).toBe("approved");
	expect(await statuses(key)).toEqual([200]);
	await until("the end of the raise on both gateways", async () => (await statuses(key)).join() === "402", 60_000);

	const more = await json("budget increase request --team search --amount 5 --reason again");
	const connection = await Connection.connect({ address: system.endpoints().temporalAddress });
	try {
		const handle = new Client({ connection }).workflow.getHandle("team-budget/search");
		const { currentDetails } = await handle.query<{ currentDetails: string }>("__temporal_workflow_metadata");
		const pasted = JSON.parse(/`(\{"id":.*?\})`/.exec(currentDetails)?.[1] ?? "{}") as object;
		expect(pasted).toMatchObject({ id: more.id, decision: "approve" });
		await handle.executeUpdate("decideIncrease", { args: [{ ...pasted, decidedBy: "carol" }] });
	} finally {
		await connection.close();
	}
	await until("the raise", async () => (await statuses(key)).join() === "200");
	expect(await json(`budget increase show ${more.id}`)).toMatchObject({
		status: "approved",
		decidedBy: "carol",
		isDecidedByHand: true,
		isRequestedByHand: false,
	});
	expect(await stepsOf(more.id)).toEqual([
		{ admin_name: asked.requestedBy, action: "pending", by_hand: "false" },
		{ admin_name: "carol", action: "approved", by_hand: "true" },
	]);
	expect(await verify(system)).toMatchObject({ ok: true, overspendNanoUsd: "0" });
}, 180_000);

it("a line whose own request was rejected is asked for with the command of the refusal, and passed when somebody else approves", async () => {
	await json("team create lined --limit 1 --window day");
	await json("team set lined --admission-wait-ms 0");
	const { key } = await json<{ key: string }>("key create --team lined");
	const spent = formatUsd((await chat(system, key)).costNanoUsd);
	await json(`budget set --team lined --limit 1 --window day --threshold ${spent}:needApproval`);
	expect(await statuses(key)).toEqual([402]);
	const [line] = await until("the line's own request", async () => {
		const waiting = await json<readonly Asked[]>("budget increase list --team lined");
		return waiting.length > 0 ? waiting : undefined;
	});
	expect(line).toMatchObject({ kind: "line", requestedBy: "tollgate" });
	await json("budget increase reject --reason no", line?.id ?? "", "--admin-key-file", grace);
	const { code, message } = (await chat(system, key)).error;
	expect(code).toBe("budget.needs_approval");
	const words = pastedWords(message.slice(message.lastIndexOf("npx tollgate"))).slice(2);
	const asked = await tollgateJson<Asked>(system, words);
	expect(asked).toMatchObject({ kind: "line", status: "pending", reason: "WHY" });
	expect(await tollgateRefused(system, ["budget", "increase", "approve", asked.id])).toMatchObject({ exitCode: 1 });
	expect((await json(`budget increase approve ${asked.id} --admin-key-file ${grace}`)).status).toBe("approved");
	expect(await statuses(key)).toEqual([200]);
}, 120_000);

async function stepsOf(id: string): Promise<unknown[]> {
	const client = new pg.Client({ connectionString: system.endpoints().databaseUrl });
	await client.connect();
	try {
		const text = "SELECT admin_name, detail->>'action' AS action, detail->>'isByHand' AS by_hand FROM tollgate.change WHERE subject = $1 ORDER BY revision";
		return (await client.query(text, [id])).rows;
	} finally {
		await client.end();
	}
}
