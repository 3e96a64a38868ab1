import { closeSync, openSync, readdirSync } from "node:fs";
import path from "node:path";
import { readFrames } from "./journal-frame.ts";

export type FsyncMode = "off" | "group";

/** First frame of every segment. `pid` and `startedAt` name the process that holds the journal. */
export type JournalHeader = {
	readonly type: "header";
	readonly format: 1;
	readonly gatewayId: string;
	readonly epoch: string;
	readonly segment: number;
	/** Boot of the gateway, as registered with the epoch. */
	readonly bootId: string;
	/** Boot of the machine the journal was written in. */
	readonly machineBootId: string;
	readonly fsyncMode: FsyncMode;
	readonly pid: number;
	readonly startedAt: string;
};

const FILE_NAME = /^(0|[1-9][0-9]{0,18})\.journal(?:\.([1-9][0-9]{0,8}))?$/;

/** `<folder>/<gateway>`. Throws RangeError on an id that could leave the folder. */
export function gatewayFolder(folder: string, gatewayId: string): string {
	if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(gatewayId)) throw new RangeError(`not a gateway id: ${JSON.stringify(gatewayId)}`);
	return path.join(folder, gatewayId);
}

/** `<epoch>.journal`, then `<epoch>.journal.1`, `.2` … */
export function segmentFile(gatewayPath: string, epoch: bigint, segment: number): string {
	return path.join(gatewayPath, segment === 0 ? `${epoch}.journal` : `${epoch}.journal.${segment}`);
}

/** Segments present per epoch, both ascending. */
export function listJournals(gatewayPath: string): ReadonlyMap<bigint, readonly number[]> {
	const found = new Map<bigint, number[]>();
	for (const name of readdirSync(gatewayPath)) {
		const match = FILE_NAME.exec(name);
		if (!match?.[1]) continue;
		const epoch = BigInt(match[1]);
		found.set(epoch, [...(found.get(epoch) ?? []), Number(match[2] ?? 0)]);
	}
	for (const segments of found.values()) segments.sort((a, b) => a - b);
	return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Every gateway reads the headers of all journals in its folder every 10 s: with blocks of a megabyte each held its calls for some milliseconds. */
const HEADER_BLOCK_BYTES = 4_096;

/** Header of a segment, or undefined when the file does not begin with an intact one. */
export function readHeader(file: string): JournalHeader | undefined {
	const fileDescriptor = openSync(file, "r");
	try {
		const first = readFrames(fileDescriptor, 0, HEADER_BLOCK_BYTES).next();
		return first.done ? undefined : parseHeader(first.value.json);
	} finally {
		closeSync(fileDescriptor);
	}
}

export function parseHeader(json: string): JournalHeader | undefined {
	const header = JSON.parse(json) as JournalHeader;
	return header.type === "header" && header.format === 1 ? header : undefined;
}
