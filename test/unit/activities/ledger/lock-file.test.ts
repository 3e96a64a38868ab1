import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquireIdentityLock, acquireLock, findIdentityHolder, LockHeldError } from "#activities/ledger/lock-file.ts";
import { readMachineBootId } from "#activities/ledger/machine-boot-id.ts";
import { readProcessStart } from "#activities/process/identity.ts";

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const hold = (generation: number, holder: object | null) => writeFileSync(path.join(folder, `lock.${generation}`), JSON.stringify({ holder }));
const self = async () => ({ pid: process.pid, startedAt: await readProcessStart(process.pid), machineBootId: readMachineBootId() });

test("a live holder keeps others out, by name of its process", async () => {
	const lock = await acquireIdentityLock(folder, "g1");
	await expect(acquireIdentityLock(folder, "g1")).rejects.toThrow(LockHeldError);
	await expect(acquireIdentityLock(folder, "g1")).rejects.toThrow(`process ${process.pid}`);
	await expect(findIdentityHolder(folder, "g1")).resolves.toMatchObject({ pid: process.pid });
	lock.release();
	await expect(findIdentityHolder(folder, "g1")).resolves.toBeUndefined();
	(await acquireIdentityLock(folder, "g1")).release();
});

test.each([
	["its process is gone", async () => ({ ...(await self()), pid: 2 ** 22 - 1 })],
	["its number was given to another process", async () => ({ ...(await self()), startedAt: "1" })],
	["the machine was started again", async () => ({ ...(await self()), machineBootId: "an earlier boot" })],
	["it was released", async () => null],
])("a lock is taken over when %s", async (_, holder) => {
	hold(3, await holder());
	const lock = await acquireLock(folder, "lock");
	expect(readdirSync(folder)).toEqual(["lock.4"]);
	lock.release();
});

test("a lock file cut by a crash of the machine is taken over", async () => {
	writeFileSync(path.join(folder, "lock.1"), "");
	(await acquireLock(folder, "lock")).release();
});

test("of many that find a stale lock exactly one gets it", async () => {
	hold(1, { ...(await self()), machineBootId: "an earlier boot" });
	const results = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(folder, "lock")));
	expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
	expect(results.filter((result) => result.status === "rejected" && result.reason instanceof LockHeldError)).toHaveLength(19);
});
