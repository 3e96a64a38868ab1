import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eraseUser, listUserNames, nameUser } from "#activities/administration/users.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { findLeaks, readDatabase, readFolder } from "#test/support/canaries.ts";
import { type GatewayProcess, openGatewayStand } from "#test/support/gateway-process.ts";
import { TestLedger } from "#test/support/test-ledger.ts";
import { until } from "#test/support/until.ts";

/** A user's readable name can be taken away; the books, and their chain, stay as they are (docs/operations.md). */

let ledger: TestLedger;
let administration: TestAdministration;
beforeAll(async () => {
	[ledger, administration] = await Promise.all([TestLedger.open(), openTestAdministration()]);
});
afterAll(async () => {
	await administration?.close();
	await ledger?.close();
});

test("the name is gone from every table, the id and what it spent stay, and verify holds before and after", async () => {
	await ledger.settle({ n: 1 }, { n: 2 });
	const judge = async () => (await verifyLedger({ databaseUrl: ledger.database.url })).findings.filter(({ kind }) => kind === "chain" || kind === "entry");
	const before = await judge();
	await nameUser(ledger.client, { userId: "u-4711", name: "Ann Readable" }, "ada");
	await nameUser(ledger.client, { userId: "u-4711", name: "Ann Readable-Smith" }, "ada");
	expect(await listUserNames(ledger.client, { limit: 10 })).toMatchObject([{ userId: "u-4711", name: "Ann Readable-Smith", namedBy: "ada" }]);

	await eraseUser(ledger.client, "u-4711", "grace");
	const dump = (await readDatabase(ledger.client)).filter(({ name }) => name.startsWith("table "));
	expect(dump.filter(({ content }) => content.includes("Readable")).map(({ name }) => name)).toEqual([]);
	expect(await ledger.sql("SELECT subject, admin_name, detail FROM tollgate.change WHERE kind = 'user' ORDER BY revision")).toEqual([
		{ subject: "u-4711", admin_name: "ada", detail: { action: "named" } },
		{ subject: "u-4711", admin_name: "ada", detail: { action: "named" } },
		{ subject: "u-4711", admin_name: "grace", detail: { action: "erased" } },
	]);
	expect(await judge()).toEqual(before);
	await expect(eraseUser(ledger.client, "u-4711", "grace")).rejects.toMatchObject({ code: "admin.not_found" });
});

test("by the administration API: named, shown beside what the id spent, erased, and wrong ids and names refused by field", async () => {
	const ask = async (method: "GET" | "PUT" | "DELETE", path: string, body?: unknown) => {
		const answer = await administration.app.inject({
			method,
			url: `/admin/v1${path}`,
			headers: { authorization: `Bearer ${administration.adminKey}`, ...(body !== undefined && { "content-type": "application/json" }) },
			...(body !== undefined && { payload: JSON.stringify(body) }),
		});
		return { status: answer.statusCode, body: answer.json() };
	};
	expect(await ask("PUT", "/users/u%2F1", { name: "Ann" })).toEqual({ status: 200, body: { done: true } });
	expect((await ask("GET", "/users")).body).toMatchObject({ users: [{ userId: "u/1", name: "Ann", namedBy: "ada" }] });
	expect((await ask("GET", "/spend?by=user")).body).toMatchObject({ by: ["user"], totalNanoUsd: "0" });
	expect((await ask("PUT", "/users/u1", { name: "" })).body.error).toMatchObject({ code: "admin.invalid", field: "name" });
	expect((await ask("PUT", "/users/%20u1", { name: "Ann" })).body.error).toMatchObject({ code: "admin.invalid", field: "userId" });
	expect((await ask("DELETE", "/users/u%2F1")).status).toBe(200);
	expect((await ask("DELETE", "/users/u%2F1")).status).toBe(404);
});

const CLAIMS = "SELECT gateway_id, value FROM tollgate.attempt CROSS JOIN LATERAL jsonb_each_text(claimed) ORDER BY gateway_id, value";

/** One call in each way the protocols let a caller name his user. */
async function callAs(gateway: GatewayProcess, key: string, name: string): Promise<void> {
	const messages = [{ role: "user", content: "hello" }];
	const bodies = [
		["/v1/chat/completions", { model: "gpt-4o", max_tokens: 9, messages, user: name }],
		["/v1/responses", { model: "gpt-4o", max_output_tokens: 20, input: "hello", safety_identifier: name }],
		["/v1/messages", { model: "claude-opus-4-5", max_tokens: 9, messages, metadata: { user_id: name } }],
	] as const;
	for (const [route, body] of bodies) {
		const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "anthropic-version": "2023-06-01" };
		const answer = await fetch(`${gateway.url}${route}`, { method: "POST", headers, body: JSON.stringify(body) });
		expect([route, answer.status]).toEqual([route, 200]);
		await answer.arrayBuffer();
	}
}

test("what callers say of their users is in no table and no journal; the same user has the same opaque id on every gateway", async () => {
	const stand = await openGatewayStand();
	try {
		const { key } = await stand.team(100_000_000_000n);
		const names = ["ann.smith@example.com", "bob.miller@example.com"];
		const gateways = [await stand.start("g1"), await stand.start("g2")];
		for (const gateway of gateways) for (const name of names) await callAs(gateway, key, name);
		const claims = () => withClient(stand.database.url, async (client) => (await client.query<{ gateway_id: string; value: string }>(CLAIMS)).rows);
		await until("every call in the ledger", async () => (await claims()).length === 12);
		const journals = readFolder(path.join(stand.home, "journal"), new Set()).filter(({ name }) => name.includes(".journal"));
		const tables = await withClient(stand.database.url, async (client) => (await readDatabase(client)).filter(({ name }) => name.startsWith("table ")));
		expect(
			findLeaks(
				names.map((name) => ({ name, secret: name })),
				[...journals, ...tables],
			),
		).toEqual([]);

		const booked = await claims();
		const idsOf = (gatewayId: string) => [...new Set(booked.filter((row) => row.gateway_id === gatewayId).map(({ value }) => value))];
		expect(idsOf("g1")).toHaveLength(2);
		expect(idsOf("g2")).toEqual(idsOf("g1"));
		expect(journals.filter(({ content }) => content.includes(idsOf("g1")[0] ?? "none"))).toHaveLength(2);
	} finally {
		await stand.close();
	}
}, 60_000);
