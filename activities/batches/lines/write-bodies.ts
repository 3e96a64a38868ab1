import { attemptIdOf, type ItemTry } from "#domain/batching/attempt-of-item.ts";
import type { BatchScope } from "#domain/batching/batch.ts";
import { BoundedBytes } from "#domain/batching/bounded-bytes.ts";
import { inOneLine, renderLine, withModelIfAny } from "#domain/batching/render-line.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { ItemToSend } from "../port.ts";
import { FairTurns } from "./fair-turns.ts";
import { inBlocks } from "./in-blocks.ts";
import { inOrder } from "./in-order.ts";
import type { LineLimits } from "./read-lines.ts";

/** What one part of a collected batch carries: requests that were handed in alone, each with a body of its own. */
export type BodiesToWrite = LineLimits &
	Pick<BatchScope, "protocol" | "endpoint"> &
	Pick<ItemTry, "batchNumber" | "items"> & {
		/** Model id of the deployment. */
		readonly deploymentModel: string;
		readonly tries: readonly Pick<ItemToSend, "n" | "tryNumber" | "bodyBlobKey" | "bytes">[];
		readonly openBody: (blobKey: string) => AsyncIterable<Uint8Array>;
	};

/** Why an item cannot be sent, for whoever handed it in. */
export type UnsendableItem = { readonly n: number; readonly httpStatus: 413 | 500; readonly message: string };

/** Bodies that are read at once, while the line of an earlier one is written. */
const READ_AHEAD = { countMax: 8, bytesMax: 16_777_216 };

/** The lines of a part in the provider's form. Items whose bodies are gone, or are no requests, have none: `unsendable` is told of them. */
export function writeBodies(part: BodiesToWrite, unsendable: (item: UnsendableItem) => void): AsyncGenerator<Buffer> {
	return inBlocks(eachLine(part, unsendable));
}

async function* eachLine(part: BodiesToWrite, unsendable: (item: UnsendableItem) => void): AsyncGenerator<Buffer> {
	const { protocol, endpoint, batchNumber, items, deploymentModel, tries } = part;
	const turns = new FairTurns();
	const bodies = inOrder(tries, { ...READ_AHEAD, bytesOf: ({ bytes }) => bytes }, async (item) => ({ item, body: await readBody(item, part) }));
	for await (const { item, body } of bodies) {
		if (turns.isOver) await turns.next();
		const sent = typeof body === "string" ? undefined : withModelIfAny(body, deploymentModel);
		if (sent === undefined) unsendable({ n: item.n, httpStatus: 500, message: typeof body === "string" ? body : "What is kept of this request is none." });
		else yield renderLine({ customId: attemptIdOf({ batchNumber, items, ...item }), body: inOneLine(sent), protocol, endpoint });
	}
}

/** The body, or why there is none. @throws whatever may be over when it is asked for again. */
async function readBody({ bodyBlobKey }: BodiesToWrite["tries"][number], { openBody, lineBytesMax }: BodiesToWrite): Promise<Buffer | string> {
	if (bodyBlobKey === undefined) return "This request was handed in without a body.";
	const body = new BoundedBytes(lineBytesMax);
	try {
		for await (const piece of openBody(bodyBlobKey)) body.add(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
	} catch (error) {
		if (!(error instanceof CostControlError)) throw error;
		if (error.code === "blob.missing") return "The body of this request is not kept any more.";
		if (error.code === "blob.damaged") return "What is kept of this request is damaged.";
		throw error;
	}
	return body.take() ?? "What is kept of this request is longer than any request.";
}
