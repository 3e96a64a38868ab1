import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createFolderPlace } from "#activities/blobs/folder-place.ts";
import { InvariantViolation } from "#domain/assert.ts";
import { collect, streamOf } from "#test/support/blob-stands.ts";

/** What reaches the disk, and the end of the process after so many steps: whatever would come later is not done. */
const disk = vi.hoisted(() => ({ steps: [] as string[], stepsLeft: Number.POSITIVE_INFINITY }));

vi.mock("node:fs/promises", async (importOriginal) => {
	const fs = await importOriginal<typeof import("node:fs/promises")>();
	const nameOf = (file: string): string => (/\.drafts\/[^/]+$/.test(file) ? "draft" : path.basename(file));
	const step = (name: string): void => {
		if (disk.stepsLeft-- <= 0) throw Object.assign(new Error("crash"), { code: "ECRASH" });
		disk.steps.push(name);
	};
	const watch = (handle: FileHandle, name: string): FileHandle =>
		new Proxy(handle, {
			get(target, property) {
				if (property === "write" || property === "sync") step(`${property} ${name}`);
				const value: unknown = Reflect.get(target, property, target);
				return typeof value === "function" ? value.bind(target) : value;
			},
		});
	return {
		...fs,
		open: async (file: string, flags: string, mode?: number) => {
			if (flags !== "r") step(`open ${nameOf(file)} ${flags}`);
			return watch(await fs.open(file, flags, mode), nameOf(file));
		},
		rename: async (from: string, to: string) => {
			step(`rename ${nameOf(from)} ${nameOf(to)}`);
			await fs.rename(from, to);
		},
		rm: async (file: string, options: { force?: boolean }) => {
			// A process that is dead removes nothing.
			if (disk.stepsLeft > 0) await fs.rm(file, options);
		},
	};
});

const KEY = "search/batches/b1/part-1.jsonl";
let home: string;
let folder: string;

beforeEach(() => {
	home = mkdtempSync(path.join(tmpdir(), "tollgate-folder-"));
	folder = path.join(home, "blobs");
	Object.assign(disk, { steps: [], stepsLeft: Number.POSITIVE_INFINITY });
});
afterEach(() => rmSync(home, { recursive: true }));

const write = (text: string, key = KEY): Promise<void> => createFolderPlace(folder).write(key, streamOf(Buffer.from(text)));
const drafts = (): string[] => readdirSync(path.join(folder, ".drafts"));

describe("a file of a folder", () => {
	test("is on the disk before its name is, and the name and every folder that was made before anybody goes on", async () => {
		await write("one");
		const [homeName, ...rest] = [
			path.basename(home),
			"open draft wx",
			"write draft",
			"sync draft",
			"rename draft part-1.jsonl",
			"sync b1",
			"sync batches",
			"sync search",
			"sync blobs",
		];
		expect(disk.steps).toEqual(["sync blobs", `sync ${homeName}`, ...rest]);
		disk.steps = [];
		await write("two", "search/batches/b1/part-2.jsonl");
		expect(disk.steps).toEqual(["open draft wx", "write draft", "sync draft", "rename draft part-2.jsonl", "sync b1"]);
	});

	test("is its owner's alone", async () => {
		await write("one");
		expect([statSync(path.join(folder, KEY)).mode & 0o777, statSync(path.join(folder, "search")).mode & 0o777]).toEqual([0o600, 0o700]);
	});

	test("is the one before or the new one after a crash at any step, and what lies aside is removed later", async () => {
		await write("before");
		const found: string[] = [];
		for (let stepsLeft = 0; stepsLeft < 5; stepsLeft += 1) {
			disk.stepsLeft = stepsLeft;
			await expect(write("after")).rejects.toMatchObject({ code: "blob.unreachable", details: { problem: "ECRASH" } });
			disk.stepsLeft = Number.POSITIVE_INFINITY;
			found.push(readFileSync(path.join(folder, KEY), "utf8"));
			await write("before");
		}
		expect(found).toEqual(["before", "before", "before", "before", "after"]);
		expect(drafts()).toHaveLength(3);
		const place = createFolderPlace(folder);
		expect(await place.removeLeftovers(60_000)).toBe(0);
		for (const draft of drafts().slice(1)) utimesSync(path.join(folder, ".drafts", draft), new Date(), new Date(Date.now() - 120_000));
		expect([await place.removeLeftovers(60_000), drafts().length]).toEqual([2, 1]);
	});
});

describe("a folder", () => {
	test("keeps no empty folders behind what was deleted, and none that hold something go", async () => {
		const place = createFolderPlace(folder);
		await write("one");
		await write("two", "search/files/f1");
		await place.delete(KEY);
		expect(readdirSync(path.join(folder, "search"))).toEqual(["files"]);
		await place.delete("search/files/f1");
		expect(readdirSync(folder)).toEqual([".drafts"]);
	});

	test("takes writes while others delete beside them", async () => {
		const place = createFolderPlace(folder);
		const work = Array.from({ length: 60 }, async (_, index) => {
			const key = `search/batches/b1/part-${index % 3}`;
			await write("x", key);
			await place.delete(key);
		});
		await Promise.all(work);
		expect(await collect((await place.open("search/batches/b1/part-0", 10))?.read(0) ?? streamOf(Buffer.alloc(0)))).toHaveLength(0);
	});

	test("has no blob above or below another", async () => {
		await write("one");
		await expect(write("two", "search/batches/b1")).rejects.toBeInstanceOf(InvariantViolation);
		await expect(write("two", `${KEY}/more`)).rejects.toBeInstanceOf(InvariantViolation);
		const place = createFolderPlace(folder);
		expect([await place.open("search/batches", 10), await place.open(`${KEY}/more`, 10)]).toEqual([undefined, undefined]);
		await place.delete("search/batches/b1");
		expect(readFileSync(path.join(folder, KEY), "utf8")).toBe("one");
	});

	test("that cannot be one is not reached", async () => {
		writeFileSync(folder, "a file");
		await expect(write("one")).rejects.toMatchObject({ code: "blob.unreachable", isRetryable: true });
	});
});
