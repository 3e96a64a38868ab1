import type { BlobStore } from "#activities/blobs/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** Blobs in memory: written whole or not at all. */
export class MemoryBlobs implements Pick<BlobStore, "write" | "read" | "describe" | "delete"> {
	readonly blobs = new Map<string, Buffer>();

	async write(key: string, source: AsyncIterable<Uint8Array>) {
		const pieces: Uint8Array[] = [];
		for await (const piece of source) pieces.push(Buffer.from(piece));
		const whole = Buffer.concat(pieces);
		this.blobs.set(key, whole);
		return { bytes: whole.length, sha256: "" };
	}

	async *read(key: string): AsyncGenerator<Uint8Array> {
		const blob = this.blobs.get(key);
		if (blob === undefined) throw new CostControlError("blob.missing", `there is no blob ${key}`);
		yield blob;
	}

	async describe(key: string) {
		const blob = this.blobs.get(key);
		return blob === undefined ? undefined : { bytes: blob.length, sha256: "" };
	}

	async delete(key: string): Promise<void> {
		this.blobs.delete(key);
	}

	lines(key: string): string[] {
		return (this.blobs.get(key)?.toString("utf8") ?? "").split("\n").filter((line) => line !== "");
	}
}
