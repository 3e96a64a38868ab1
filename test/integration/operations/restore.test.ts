import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { copyDatabase, restoreDatabase } from "#test/support/database-copies.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

/** An older backup is restored while the journals of what came after it are still there (docs/operations.md). */

let stand: GatewayStand;
let key: string;
let teamId: string;

beforeAll(async () => {
	stand = await openGatewayStand();
	({ key, teamId } = await stand.team(100_000_000_000n));
});
afterAll(() => stand.close());

/** The SQL that the document tells an operator to run. */
function statementsOf(heading: string): readonly string[] {
	const page = readFileSync(path.join(import.meta.dirname, "../../../docs/operations.md"), "utf8");
	const section = page.slice(page.indexOf(heading)).split("\n## ")[0] ?? "";
	const statements =
		/```sql\n([\s\S]*?)```/
			.exec(section)?.[1]
			?.split(";")
			.filter((text) => text.trim() !== "") ?? [];
	expect(statements.length).toBeGreaterThan(1);
	return statements;
}

/** Calls that may break with their gateway; returns how many were served. */
async function call(gateway: GatewayProcess, count: number): Promise<number> {
	const ends = await Promise.allSettled(Array.from({ length: count }, () => chat(gateway, key, { simulate: { latencyMs: 20 } })));
	return ends.filter((end) => end.status === "fulfilled" && end.value.status === 200).length;
}

const count = (sql: string) => withClient(stand.database.url, async (client) => Number((await client.query<{ n: string }>(sql, [teamId])).rows[0]?.n));
const attempts = () => count("SELECT count(*) AS n FROM tollgate.attempt WHERE team_id = $1");
const spent = () => count("SELECT sum(amount_nano_usd) AS n FROM tollgate.entry WHERE debit_account = 'team/' || $1");

test("what the journals hold is booked once, epochs that the backup does not know are not given again, and verify holds", async () => {
	const older = await stand.start("older");
	expect(await call(older, 10)).toBe(10);
	await copyDatabase(stand.database.url, "the_backup");

	// After the backup: a gateway that goes on, one it has never heard of, and one of these that was killed and came back.
	const newer = await stand.start("newer");
	await until("the older gateway to be served again", async () => (await call(older, 1)) === 1);
	expect(await call(older, 20)).toBe(20);
	expect(await call(newer, 20)).toBe(20);
	const underWay = [call(older, 10), call(newer, 10)];
	await until("the last calls to be sent", () => stand.provider.calls().length > 60);
	await Promise.all([older.end("SIGKILL"), newer.end("SIGKILL")]);
	await Promise.all(underWay);
	const sent = stand.provider.calls().length;

	await restoreDatabase(stand.database.url, "the_backup");
	for (const statement of statementsOf("## Back up and restore")) await withClient(stand.database.url, (client) => client.query(statement));
	const again = await Promise.all([stand.start("older"), stand.start("newer")]);
	expect(await attempts()).toBeGreaterThanOrEqual(sent);
	const before = await spent();
	// Spent beyond what the backup had granted is an overrun: it stops the budget until a person sets it again.
	expect((await chat(again[0], key)).body).toMatchObject({ error: { code: "budget.overrun" } });
	await withClient(stand.database.url, (client) =>
		client.query("UPDATE tollgate.budget_window w SET overrun_cleared = (SELECT sum(overrun) FROM tollgate.lease l WHERE l.window_id = w.id)"),
	);
	for (const gateway of again) await until("calls to be served", async () => (await call(gateway, 1)) === 1);
	for (const gateway of again) expect(await call(gateway, 20)).toBe(20);

	await until("every call in the ledger", async () => (await attempts()) >= stand.provider.calls().length);
	expect(await spent()).toBeGreaterThan(before);
	const ids = stand.provider.calls().map(({ attemptId }) => attemptId);
	expect(new Set(ids).size).toBe(ids.length);
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, duplicated: 0, lost: 0, falseRefusals: 0, overspendNanoUsd: "0" });
}, 120_000);

const epochOf = (gatewayId: string) =>
	withClient(stand.database.url, async (client) => {
		const { rows } = await client.query<{ epoch: string }>("SELECT max(epoch) AS epoch FROM tollgate.gateway_epoch WHERE gateway_id = $1", [gatewayId]);
		return rows[0]?.epoch;
	});

test("a gateway's own disk remembers its epoch, where the database has forgotten that it ever was", async () => {
	await (await stand.start("forgotten")).end();
	expect(await epochOf("forgotten")).toBe("1");
	await withClient(stand.database.url, (client) => client.query("DELETE FROM tollgate.gateway_epoch WHERE gateway_id = 'forgotten'"));
	await (await stand.start("forgotten")).end();
	expect(await epochOf("forgotten")).toBe("2");
}, 60_000);

test("a gateway whose epoch file is damaged does not start", async () => {
	await (await stand.start("damaged")).end();
	const file = path.join(stand.home, "journal", "damaged", "epoch");
	for (const text of ["", "1x\n"]) {
		await writeFile(file, text);
		await expect(stand.start("damaged")).rejects.toThrow(/damaged.*TOLLGATE_GATEWAY_ID/);
	}
	await writeFile(file, "1\n");
	await (await stand.start("damaged")).end();
	expect(await epochOf("damaged")).toBe("2");
}, 60_000);

test("an epoch that the disk, a lease or a chain remembers is not given again", async () => {
	await withClient(stand.database.url, async (client) => {
		const register = async (gatewayId: string, lastEpoch: number) => {
			const { rows } = await client.query<{ reply: { epoch: number } }>("SELECT tollgate.register_gateway($1, 'boot', 'off', '{}', $2) AS reply", [
				gatewayId,
				lastEpoch,
			]);
			return rows[0]?.reply.epoch;
		};
		expect(await register("on_disk", 7)).toBe(8);
		await client.query("INSERT INTO tollgate.lease (gateway_id, epoch, window_id) SELECT 'on_lease', 5, tollgate.open_window(min(id)) FROM tollgate.budget");
		expect(await register("on_lease", 0)).toBe(6);
		await client.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('on_chain', 3, 1, 0, '', '')");
		expect(await register("on_chain", 2)).toBe(4);
	});
});
