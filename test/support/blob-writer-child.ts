import { writeSync } from "node:fs";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import { keysOfSearch } from "./blob-stands.ts";

/**
 * A process that writes a blob of so many megabytes, sealed, and reads it back; says `written n` with every megabyte that its store has
 * taken, and at its end what it read and how much memory it held at most. Arguments: the place as JSON, megabytes, key.
 */
const [, , place = "", megabytes = "", key = ""] = process.argv;
const MB = 1_048_576;
const PIECE_BYTES = 65_536;

const say = (line: string) => writeSync(1, `${line}\n`);
let heldBytesMost = 0;
const look = (): void => {
	const { heapUsed, external } = process.memoryUsage();
	heldBytesMost = Math.max(heldBytesMost, heapUsed + external);
};

async function* pieces(): AsyncGenerator<Buffer> {
	for (let bytes = 0; bytes < Number(megabytes) * MB; bytes += PIECE_BYTES) {
		yield Buffer.alloc(PIECE_BYTES, bytes >> 16);
		if (bytes % MB === 0) say(`written ${bytes / MB}`);
		look();
	}
}

const store = await openBlobStore({ place: JSON.parse(place), keys: keysOfSearch("k1") });
const written = await store.write(key, pieces());
let bytesRead = 0;
for await (const chunk of store.read(key)) {
	bytesRead += chunk.length;
	look();
}
const heldMbMost = Math.round(heldBytesMost / MB);
const residentMbMost = Math.round(process.resourceUsage().maxRSS / 1_024);
say(JSON.stringify({ bytesWritten: written.bytes, bytesRead, heldMbMost, residentMbMost }));
