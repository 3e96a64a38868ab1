import { afterAll, beforeAll, expect, test } from "vitest";
import { eraseUser, listUserNames, nameUser } from "#activities/administration/users.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { readDatabase } from "#test/support/canaries.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

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
	expect((await ask("GET", "/spend?by=user")).body).toMatchObject({ by: "user", totalNanoUsd: "0" });
	expect((await ask("PUT", "/users/u1", { name: "" })).body.error).toMatchObject({ code: "admin.invalid", field: "name" });
	expect((await ask("PUT", "/users/%20u1", { name: "Ann" })).body.error).toMatchObject({ code: "admin.invalid", field: "userId" });
	expect((await ask("DELETE", "/users/u%2F1")).status).toBe(200);
	expect((await ask("DELETE", "/users/u%2F1")).status).toBe(404);
});
