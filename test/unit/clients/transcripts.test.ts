import { readdirSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderTranscripts, rememberTexts, type TranscriptStore, writeOnce } from "#clients/transcripts.ts";
import { MemoryTranscripts, temporaryTranscripts } from "#test/support/agent-transcripts.ts";

let held: ReturnType<typeof temporaryTranscripts>;
beforeAll(() => {
	held = temporaryTranscripts();
});
afterAll(() => held.close());

describe("a folder of transcripts", () => {
	test("gives back what was written, from another store of the same folder too, and undefined for what was not", async () => {
		await held.store.write("r-1/1/answer", "text with ünïcode\n");
		expect(await folderTranscripts(held.folder).read("r-1/1/answer")).toBe("text with ünïcode\n");
		expect(await held.store.read("r-1/2/answer")).toBeUndefined();
		expect(await held.store.read("r-1")).toBeUndefined();
	});

	test("of many writers at once the first stands, whole, and each of them reads the same", async () => {
		const texts = Array.from({ length: 20 }, (_, at) => `${at}`.repeat(10_000));
		const read = await Promise.all(texts.map((text) => writeOnce(held.store, "r-2/1/answer", text)));
		expect(new Set(read).size).toBe(1);
		expect(await writeOnce(held.store, "r-2/1/answer", "late")).toBe(read[0]);
		expect(texts).toContain(read[0]);
		expect(readdirSync(path.join(held.folder, "r-2/1"))).toEqual(["answer.txt"]);
	});

	test.each(["../r", "r//1", "/r", "r/..", "r/", "", "r/ä", "r\\1", "-r"])("refuses the key %j, which could lead elsewhere", async (key) => {
		await expect(held.store.write(key, "text")).rejects.toBeInstanceOf(RangeError);
		await expect(held.store.read(key)).rejects.toBeInstanceOf(RangeError);
	});
});

describe("remembered texts", () => {
	test("are read from the store once, and dropped beyond the bound, the oldest first", async () => {
		const reads: string[] = [];
		const memory = new MemoryTranscripts();
		const counted: TranscriptStore = {
			read(key) {
				reads.push(key);
				return memory.read(key);
			},
			write: (key, text) => memory.write(key, text),
		};
		const store = rememberTexts(counted, 25);
		for (const key of ["a", "b", "c"]) await store.write(key, key.repeat(10));
		for (const key of ["a", "a", "b", "c", "b", "a"]) expect(await store.read(key)).toBe(key.repeat(10));
		expect(reads).toEqual(["a", "b", "c", "a"]);
	});

	test("that are not there yet are asked for again", async () => {
		const memory = new MemoryTranscripts();
		const store = rememberTexts(memory);
		expect(await store.read("a")).toBeUndefined();
		await memory.write("a", "text");
		expect(await store.read("a")).toBe("text");
	});
});
