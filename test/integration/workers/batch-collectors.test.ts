import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findFreePort } from "#activities/process/free-port.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";

/** Items are collected for 4.5 s, and are quiet after 150 ms. */
const PACE_PERMILLE = 5;
const CHILD = path.join(import.meta.dirname, "../../support/batches-child.ts");
let stand: DeferredStand;
let temporal: TestTemporal;
let folder: string;
let place: { readonly port: number; readonly databaseFile: string };
const children: ChildProcess[] = [];

beforeAll(async () => {
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-collectors-"));
	place = { port: await findFreePort(), databaseFile: path.join(folder, "temporal.db") };
	[stand, temporal] = await Promise.all([DeferredStand.open(), startTestTemporal(place)]);
	await writeFile(path.join(folder, "bundle.js"), (await testWorkflowBundle()).code);
}, 120_000);
afterAll(async () => {
	for (const child of children) child.kill("SIGKILL");
	await temporal?.close();
	await stand?.close();
	await rm(folder, { recursive: true, force: true });
});

async function startChild(): Promise<ChildProcess> {
	const given = [stand.batches.ledger.database.url, temporal.address, path.join(folder, "bundle.js"), path.join(folder, "blobs"), String(PACE_PERMILLE)];
	const child = spawn(process.execPath, [CHILD, ...given], { stdio: ["ignore", "pipe", "inherit"] });
	children.push(child);
	await once(createInterface({ input: child.stdout }), "line");
	return child;
}

const MODELS = ["gpt-test", "gpt-other", "gpt-third"];
async function accept(count: number): Promise<void> {
	for (let item = 0; item < count; item++) await stand.accepted(stand.item({ model: MODELS[item % MODELS.length] ?? "" }));
}

const sums = () =>
	stand.batches.ledger.sql<{ id: string; state: string; items: number; open_items: number }>(
		"SELECT id, state, items, open_items FROM tollgate.batch WHERE origin = 'collected' ORDER BY number",
	);
const nothingCollects = () => until("everything to be sent", async () => !(await sums()).some(({ state }) => state === "collecting"));

test("what is handed in is sent once, whatever is killed and whoever is away meanwhile", async () => {
	let child = await startChild();
	await accept(9);
	await until("the first to be sent", async () => (await sums()).some(({ state }) => state !== "collecting"));
	await accept(6);
	child.kill("SIGKILL");
	await accept(6);
	expect((await sums()).some(({ state }) => state === "collecting")).toBe(true);
	child = await startChild();
	await nothingCollects();

	await temporal.stopServer("SIGKILL");
	await accept(9);
	expect((await sums()).filter(({ state }) => state === "collecting").map(({ items }) => items)).toEqual([3, 3, 3]);
	temporal = await startTestTemporal(place);
	await nothingCollects();

	const all = await sums();
	expect(all.reduce((items, batch) => items + batch.items, 0)).toBe(30);
	for (const { items, open_items: open } of all) expect(open).toBe(items);
	await until("a job for each", async () => (await sums()).every(({ state }) => state === "running"));
	expect(child.exitCode).toBeNull();
}, 90_000);
