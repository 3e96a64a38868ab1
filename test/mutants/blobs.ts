import type { Mutant } from "./mutant.ts";

/** Rules by which a payload is what was written, whole, its team's alone, and there as long as it is to be. */
const STORES = "test/contract/blob-stores.test.ts";
const SEGMENTS = { file: "activities/blobs/sealed-segments.ts", test: "test/unit/activities/blobs/sealed-segments.test.ts" } as const;
const FOLDER = { file: "activities/blobs/folder-place.ts", test: "test/unit/activities/blobs/folder-place.test.ts" } as const;

export const BLOB_MUTANTS: readonly Mutant[] = [
	{
		rule: "a segment is sealed with its number",
		...SEGMENTS,
		from: "	place.writeBigUInt64BE(BigInt(number));\n",
		to: "	void number;\n",
		titles: ["two segments that change places are found"],
	},
	{
		rule: "a segment is sealed with whether it is the last",
		...SEGMENTS,
		from: "	place.writeUInt8(isLast ? 1 : 0, 8);\n",
		to: "	void isLast;\n",
		titles: ["a stream that ends with an earlier segment is found"],
	},
	{
		rule: "a sealed blob opens under its own name alone",
		file: "activities/blobs/blob-keys.ts",
		from: "PURPOSE + blob, KEY_BYTES",
		to: "PURPOSE, KEY_BYTES",
		test: STORES,
		titles: ["a sealed blob that lies under another name does not open"],
	},
	{
		rule: "a blob without a key is held to its hash",
		file: "activities/blobs/blob-store.ts",
		from: "	if (hash !== undefined && hash.digest",
		to: "	if (false && hash !== undefined && hash.digest",
		test: STORES,
		titles: ["a byte that changed anywhere is found"],
	},
	{
		rule: "a key leads nowhere but below its store",
		file: "domain/blobs/blob-key.ts",
		from: "(?!\\.{1,2}$)",
		to: "",
		test: "test/unit/domain/blobs/blob-key.test.ts",
		titles: ['"search/../files" is none'],
	},
	{
		rule: "a file is on the disk before its name is",
		...FOLDER,
		from: "		await reachBlobs(() => handle.sync());\n",
		to: "",
		titles: ["is on the disk before its name is, and the name and every folder that was made before anybody goes on"],
	},
	{
		rule: "two writes of one object in a bucket are not read as one",
		file: "activities/blobs/s3-place.ts",
		from: "Range: `bytes=$" + "{fromByte}-`, ...match }",
		to: "Range: `bytes=$" + "{fromByte}-` }",
		test: "test/contract/blob-bucket.test.ts",
		titles: ["that is replaced between two requests of its reader is not read as a mixture"],
	},
	{
		rule: "a blob within its time is kept",
		file: "domain/blobs/retention.ts",
		from: "> days * DAY_MS",
		to: "> 0",
		test: "test/unit/activities/blobs/sweep.test.ts",
		titles: ["deletes what is past its time, and nothing else"],
	},
];
