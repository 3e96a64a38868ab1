import { expect, test } from "vitest";
import { deferredOfBody, isBlobKey, isBlobPrefix, purposeOfBlob, teamOfBlob } from "#domain/blobs/blob-key.ts";

test.each(["search/batches/batch_1/part-1.jsonl", "a/b", "team.x-1/files/File_9.JSONL", `a/${"b".repeat(255)}/${"c".repeat(254)}`])("%s is a key", (key) => {
	expect(isBlobKey(key)).toBe(true);
});

test.each([
	"",
	"search",
	"search/",
	"/search/files",
	"search//files",
	"search/files/",
	"../search/files",
	"search/../files",
	"search/./files",
	"Search/files/a",
	".drafts/a",
	"@organization/files/a",
	"search/files/a b",
	"search/files/a\\b",
	"search/files/ä",
	"search/files/a\n",
	"search/files/a\0",
	`a/${"b".repeat(256)}`,
	`a/${"b/".repeat(300)}c`,
])("%j is none", (key) => {
	expect(isBlobKey(key)).toBe(false);
});

test("a prefix is names that each end with a slash, or nothing at all", () => {
	expect(["", "search/", "search/batches/", "search/batches/b1/"].filter((prefix) => !isBlobPrefix(prefix))).toEqual([]);
	expect(["search", "/", "search//", "search/batches", "../", "search/../", ".drafts/"].filter(isBlobPrefix)).toEqual([]);
});

test("team and purpose stand in front", () => {
	expect([teamOfBlob("search/batches/b1/x"), purposeOfBlob("search/batches/b1/x"), purposeOfBlob("search/files/x")]).toEqual(["search", "batches", "files"]);
	expect(purposeOfBlob("search/other/files")).toBeUndefined();
	const ofOneHandedInAlone = ["answer", "body", "body-0a1b", "bodies"].map((name) => `search/deferred/d1/${name}`);
	expect(ofOneHandedInAlone.map(purposeOfBlob)).toEqual(["files", undefined, undefined, undefined]);
	expect([...ofOneHandedInAlone, "search/files/d1/body"].map(deferredOfBody)).toEqual([undefined, "d1", "d1", undefined, undefined]);
});
