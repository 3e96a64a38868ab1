import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { authenticateAdmin, listAdminKeys, revokeAdminKey } from "#activities/administration/admin-keys.ts";
import { bootstrapSystem } from "#activities/administration/bootstrap.ts";
import { listBudgets, setBudget } from "#activities/administration/budgets.ts";
import { resolveVirtualKey } from "#activities/keys/resolve.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";

let administration: TestAdministration;
let home: string;

beforeEach(async () => {
	administration = await openTestAdministration();
	home = await mkdtemp(path.join(tmpdir(), "tollgate-home-"));
});
afterEach(async () => {
	await administration.close();
	await rm(home, { recursive: true });
});

const start = (demoLimitNanoUsd = 250_000_000n) =>
	bootstrapSystem({ database: administration.pool, governor: administration.governor, home, demoLimitNanoUsd });
const limit = async () => (await listBudgets(administration.pool, "demo")).map((budget) => budget.limitAmount);
const keys = async () => Promise.all(["admin-key", "demo-key"].map((name) => readFile(path.join(home, name), "utf8")));

test("a first start makes keys that work, readable by their owner alone, and the demo budget", async () => {
	const files = await start();
	const demoKey = (await readFile(files.demoKeyFile, "utf8")).trim();
	const adminKey = (await readFile(files.adminKeyFile, "utf8")).trim();
	for (const file of [files.demoKeyFile, files.adminKeyFile]) expect((await stat(file)).mode & 0o777).toBe(0o600);
	expect(await resolveVirtualKey(administration.pool, demoKey)).toMatchObject({ kind: "known", key: { teamId: "demo" } });
	expect((await administration.app.inject({ url: "/admin/v1/teams", headers: { authorization: `Bearer ${adminKey}` } })).statusCode).toBe(200);
	expect(await limit()).toEqual(["250000000"]);
});

test("a later start finds everything and needs no workflow", async () => {
	await start();
	const before = await keys();
	administration.governor.isAway = true;
	await start();
	expect(await keys()).toEqual(before);
	expect((await administration.pool.query("SELECT 1 FROM tollgate.virtual_key")).rows).toHaveLength(1);
});

test("a new demo limit is applied, unless a person has set one", async () => {
	await start();
	await start(500_000_000n);
	expect(await limit()).toEqual(["500000000"]);
	await setBudget({ database: administration.pool, governor: administration.governor, adminName: "ada" }, { teamId: "demo", limitUsd: "7", windowKind: "day" });
	const { demoLimitNanoUsd } = await start(100n);
	expect([demoLimitNanoUsd, ...(await limit())]).toEqual(["7000000000", "7000000000"]);
});

test.each(["kept", "deleted"])("a first admin key that was revoked while another works stays revoked, its file %s", async (file) => {
	await start();
	const before = await keys();
	const first = await authenticateAdmin(administration.pool, (before[0] ?? "").trim());
	await revokeAdminKey(administration.pool, first?.id ?? "", "ada");
	if (file === "deleted") await rm(path.join(home, "admin-key"));
	const live = async () => (await listAdminKeys(administration.pool)).filter((key) => key.revokedAt === null).map((key) => key.name);
	expect(await live()).toEqual(["ada"]);
	await start();
	expect(await live()).toEqual(["ada"]);
});

test("an interrupted first start is finished by the next", async () => {
	administration.governor.isAway = true;
	await expect(start()).rejects.toMatchObject({ code: "governance.unreachable" });
	administration.governor.isAway = false;
	await start();
	expect(await limit()).toEqual(["250000000"]);
});

test("a lost or revoked key is replaced, a deleted demo team comes back", async () => {
	await start();
	const before = await keys();
	await rm(path.join(home, "admin-key"));
	await writeFile(path.join(home, "demo-key"), "tg-broken");
	await administration.pool.query("UPDATE tollgate.team SET deleted_at = clock_timestamp() WHERE id = 'demo'");
	await start();
	const after = await keys();
	expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, false]);
	expect(await resolveVirtualKey(administration.pool, (after[1] ?? "").trim())).toMatchObject({ kind: "known" });
});
