import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { afterAll, expect, test } from "vitest";
import { ConfigurationError, loadSettings } from "#config/load.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tollgate-blob-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

const blobsOf = (environment: Record<string, string>) => loadSettings({ TOLLGATE_HOME: folder, ...environment }).blobs;

function mistakesOf(environment: Record<string, string>): readonly string[] {
	try {
		loadSettings(environment);
	} catch (error) {
		if (error instanceof ConfigurationError) return error.mistakes;
		throw error;
	}
	return [];
}

function keysFile(content: unknown): Record<string, string> {
	const file = path.join(folder, "blob-keys.json");
	writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
	return { TOLLGATE_BLOB_KEYS_FILE: file };
}

test("without settings payloads lie below the home, unencrypted, for 30 days", () => {
	expect(blobsOf({})).toEqual({
		place: { kind: "folder", folder: path.join(folder, "blobs") },
		keys: new Map(),
		retention: { keptDays: 30, keptDaysByPurpose: {} },
	});
	expect(blobsOf({ TOLLGATE_BLOBS: "/srv/blobs" }).place).toEqual({ kind: "folder", folder: "/srv/blobs" });
});

test("a bucket has a prefix or none, a region, and an endpoint where it is not Amazon's", () => {
	const amazon = { kind: "s3", bucket: "acme-payloads", prefix: "", endpoint: null, region: "us-east-1" };
	expect(blobsOf({ TOLLGATE_BLOBS: "s3://acme-payloads" }).place).toEqual(amazon);
	expect(blobsOf({ TOLLGATE_BLOBS: "s3://acme-payloads/" }).place).toEqual(amazon);
	expect(
		blobsOf({ TOLLGATE_BLOBS: "s3://acme-payloads/tollgate/blobs/", TOLLGATE_BLOBS_ENDPOINT: "http://minio:9000", TOLLGATE_BLOBS_REGION: "eu-central-1" })
			.place,
	).toEqual({ ...amazon, prefix: "tollgate/blobs/", endpoint: "http://minio:9000", region: "eu-central-1" });
});

test.each(["s3://", "s3://A", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/a b", "S3://bucket", "gs://bucket", "https://bucket.s3.amazonaws.com"])(
	"%s is no place of payloads",
	(place) => {
		expect(mistakesOf({ TOLLGATE_BLOBS: place })).toEqual([expect.stringMatching(/^TOLLGATE_BLOBS: expected .*s3:\/\/bucket\/prefix/)]);
	},
);

test("an endpoint or region without a bucket would be believed to hold", () => {
	expect(mistakesOf({ TOLLGATE_BLOBS_ENDPOINT: "http://minio:9000", TOLLGATE_BLOBS_REGION: "eu-central-1" })).toEqual([
		"TOLLGATE_BLOBS_ENDPOINT: expected TOLLGATE_BLOBS to be s3://… beside it; got it without",
		"TOLLGATE_BLOBS_REGION: expected TOLLGATE_BLOBS to be s3://… beside it; got it without",
	]);
});

test("days are for all payloads, and others for a purpose", () => {
	expect(blobsOf({ TOLLGATE_BLOBS_KEPT_DAYS: "3" }).retention).toEqual({ keptDays: 3, keptDaysByPurpose: {} });
	expect(blobsOf({ TOLLGATE_BLOBS_KEPT_DAYS: "90,batches=7,files=365" }).retention).toEqual({ keptDays: 90, keptDaysByPurpose: { batches: 7, files: 365 } });
});

test.each(["2", "0", "-1", "1e2", "30 days", "3651", "30,batches=2", "30,parts=7", "batches=7", "30,"])("%s are no days that payloads can be kept", (days) => {
	expect(mistakesOf({ TOLLGATE_BLOBS_KEPT_DAYS: days })).toEqual([expect.stringMatching(/^TOLLGATE_BLOBS_KEPT_DAYS: expected /)]);
});

test("keys of teams come from a file, and are not shown", () => {
	const [first, second] = [randomBytes(32).toString("base64"), randomBytes(32).toString("base64")];
	const { keys } = blobsOf(keysFile({ search: { writeWith: "2026-11", keys: { "2026-05": first, "2026-11": second } }, retired: { keys: { k1: first } } }));
	expect([...keys.keys()]).toEqual(["search", "retired"]);
	expect([keys.get("search")?.writeWith, keys.get("search")?.keys.get("2026-05")?.reveal(), keys.get("retired")?.writeWith]).toEqual([
		"2026-11",
		first,
		undefined,
	]);
	expect(inspect(keys, { depth: 9 }) + JSON.stringify([...keys.values()].map((team) => [...team.keys]))).not.toContain(first.slice(0, 20));
});

test("all that is wrong with the file of keys is told at once, and nothing of what may be a key", () => {
	const canary = randomBytes(32).toString("base64");
	const mistakes = mistakesOf(
		keysFile({
			search: { writeWith: "k2", keys: { k1: canary } },
			billing: { keys: { k1: canary.slice(2) } },
			Marketing: { keys: {} },
			support: { keys: { [canary]: "k1" } },
			sales: { [canary]: "k1", keys: {} },
			legal: canary,
		}),
	);
	expect(mistakes).toEqual(
		expect.arrayContaining([
			"TOLLGATE_BLOB_KEYS_FILE: search.writeWith: must name one of the keys",
			"TOLLGATE_BLOB_KEYS_FILE: billing.keys.k1: must be 32 bytes as base64",
			expect.stringMatching(/^TOLLGATE_BLOB_KEYS_FILE: Marketing: no team can be called so$/),
			expect.stringMatching(/^TOLLGATE_BLOB_KEYS_FILE: support\.keys\.…: /),
			"TOLLGATE_BLOB_KEYS_FILE: sales: has a field that is not known; it takes writeWith and keys",
			expect.stringMatching(/^TOLLGATE_BLOB_KEYS_FILE: legal: /),
		]),
	);
	expect(mistakes.join("\n")).not.toContain(canary.slice(3, 20));
});

test("a file of keys that is absent, no JSON or no object is a mistake that repeats nothing of it", () => {
	expect(mistakesOf({ TOLLGATE_BLOB_KEYS_FILE: path.join(folder, "absent") })).toEqual(["TOLLGATE_BLOB_KEYS_FILE: expected a readable file; got ENOENT"]);
	expect(mistakesOf(keysFile("canary-key"))).toEqual(["TOLLGATE_BLOB_KEYS_FILE: expected JSON; got something else"]);
	expect(mistakesOf(keysFile('"canary-key"'))).toEqual([expect.stringMatching(/^TOLLGATE_BLOB_KEYS_FILE: the file: /)]);
});
