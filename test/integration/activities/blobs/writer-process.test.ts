import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { type BlobStand, collect, keysOfSearch, makeBucketStand, makeFolderStand, streamOf } from "#test/support/blob-stands.ts";

const CHILD = path.join(import.meta.dirname, "../../../support/blob-writer-child.ts");
const KEY = "search/batches/b1/part-1.jsonl";
const KEYS = keysOfSearch("k1");
/** What issue 7 allows each process for a batch of 200 MB. */
const RESIDENT_MB_MAX = 300;
/** Parts under way with their copies, and what the collector has not come to yet: less than the blob. */
const HELD_MB_MAX = 190;

type Opened = { readonly stand: BlobStand; readonly place: object; readonly environment: Readonly<Record<string, string>> };
const PLACES: readonly { readonly name: string; readonly open: () => Promise<Opened> }[] = [
	{
		name: "a folder",
		async open() {
			const stand = await makeFolderStand();
			return { stand, place: { kind: "folder", folder: stand.folder }, environment: {} };
		},
	},
	{
		name: "a bucket",
		async open() {
			const { server, prefix, ...stand } = await makeBucketStand();
			const { bucket, endpoint, account } = server;
			const { region, accessKeyId, secretAccessKey } = account;
			return {
				stand,
				place: { kind: "s3", bucket, prefix, endpoint, region },
				// As the AWS SDK finds them by itself.
				environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
			};
		},
	},
];

describe.each(PLACES)("a process that writes to $name", ({ open }) => {
	let opened: Opened | undefined;
	let child: ChildProcess | undefined;

	afterEach(async () => {
		child?.kill("SIGKILL");
		await opened?.stand.close();
	});

	/** Runs until it has said `stopAfter`, or to its end; returns what it said last. */
	async function run(megabytes: number, stopAfter?: string): Promise<string> {
		const { stand, place, environment } = await open();
		opened = { stand, place, environment };
		await stand.storeWith(KEYS).write(KEY, streamOf(Buffer.from("the one before")));
		const started = spawn(process.execPath, [CHILD, JSON.stringify(place), String(megabytes), KEY], {
			stdio: ["ignore", "pipe", "inherit"],
			env: { ...process.env, ...environment },
		});
		child = started;
		const ended = once(started, "exit");
		let last = "";
		for await (const line of createInterface({ input: started.stdout })) {
			last = line;
			if (line === stopAfter) started.kill("SIGKILL");
		}
		await ended;
		return last;
	}

	test("and is killed leaves nothing that anybody reads, and what it leaves aside is removed", async () => {
		await run(10_000, "written 30");
		const store = opened!.stand.storeWith(KEYS);
		expect((await collect(store.read(KEY))).toString()).toBe("the one before");
		const keys: string[] = [];
		for await (const { key } of store.list("")) keys.push(key);
		expect(keys).toEqual([KEY]);
		// As seen a minute from now.
		expect(await store.removeLeftovers(-60_000)).toBe(1);
		expect(await store.removeLeftovers(-60_000)).toBe(0);
		expect((await collect(store.read(KEY))).toString()).toBe("the one before");
	});

	test("passes 200 MB in bounded memory", async () => {
		const figures = JSON.parse(await run(200)) as Record<"bytesWritten" | "bytesRead" | "heldMbMost" | "residentMbMost", number>;
		expect([figures.bytesWritten, figures.bytesRead]).toEqual([200 * 1_048_576, 200 * 1_048_576]);
		expect(figures.heldMbMost, JSON.stringify(figures)).toBeLessThan(HELD_MB_MAX);
		expect(figures.residentMbMost, JSON.stringify(figures)).toBeLessThan(RESIDENT_MB_MAX);
	});
});
