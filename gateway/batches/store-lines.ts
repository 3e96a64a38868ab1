import { type CheckedFile, FileChecker } from "#activities/batches/lines/check-file.ts";
import type { BlobStore } from "#activities/blobs/port.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import type { Problem } from "../problem.ts";
import { CALLER_LIMITS, LINE_BYTES_MAX } from "./limits.ts";
import { lineProblem } from "./line-problems.ts";
import type { Refusing } from "./refusing.ts";

export type StoredLines =
	| { readonly kind: "stored"; readonly bytes: number; readonly checked: Extract<CheckedFile, { kind: "accepted" }> }
	| { readonly kind: "rejected"; readonly problem: Problem };

export type LinesToStore = {
	readonly blobKey: string;
	readonly protocol: Protocol;
	/** A file of lines, or the body of a message batch; whoever gives it refuses with `refusing`. */
	readonly source: AsyncIterable<Uint8Array>;
	readonly refusing: Refusing;
};

/** Writes the requests of a batch, one a line, while they are checked as they arrive. Where anything is wrong with them nothing is kept. */
export async function storeLines(blobs: Pick<BlobStore, "write">, { blobKey, protocol, source, refusing }: LinesToStore): Promise<StoredLines> {
	const checker = new FileChecker({ form: protocol, lineBytesMax: LINE_BYTES_MAX, limits: CALLER_LIMITS[protocol] });
	try {
		const { bytes } = await blobs.write(blobKey, checker.through(source));
		const checked = checker.result;
		if (checked.kind === "refused") throw new Error("lines were stored that were refused");
		return { kind: "stored", bytes, checked };
	} catch (error) {
		const problem = refusing.problem ?? problemOfLines(checker.result, protocol);
		if (problem === undefined) throw error;
		return { kind: "rejected", problem };
	}
}

/** Undefined where it was not the lines that ended the write. */
function problemOfLines(result: CheckedFile, protocol: Protocol): Problem | undefined {
	return result.kind === "refused" && result.problems.listed.length > 0 ? lineProblem(result.problems, protocol) : undefined;
}
