import type { FastifyInstance, FastifyRequest } from "fastify";
import { bodyTooLarge, type Problem } from "../problem.ts";
import type { Refusing } from "./refusing.ts";
import { type UploadLimits, UploadWatch } from "./upload-watch.ts";

/** Within `add`, a body is not read before its route reads it: routes whose bodies are larger than a gateway holds. */
export function withStreamedBodies(app: FastifyInstance, add: (streamed: FastifyInstance) => void): void {
	app.register((streamed, _options, done) => {
		streamed.removeAllContentTypeParsers();
		streamed.addContentTypeParser("*", (_request, payload, parsed) => parsed(null, payload));
		add(streamed);
		done();
	});
}

export type BodyToRead = Pick<FastifyRequest, "raw" | "id"> & { readonly bytesMax: number; readonly refusing: Refusing; readonly limits: UploadLimits };

/**
 * The body of a request as it arrives, up to `bytesMax`, however slow its line is while something comes. Whoever stops reading leaves the
 * connection as it is, so that his caller still hears why. Rejects where the caller leaves before its end, or sends nothing for too long.
 */
export async function* readBody({ raw, id, bytesMax, refusing, limits }: BodyToRead): AsyncGenerator<Uint8Array> {
	const watch = new UploadWatch({ raw, id, limits });
	let bytes = 0;
	try {
		// By itself an iterator that is left early destroys the request, and its connection with it.
		for await (const chunk of raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
			bytes += chunk.length;
			if (bytes > bytesMax) refusing.refuse(bodyTooLarge(bytesMax));
			watch.hold();
			yield chunk;
			watch.wait();
		}
	} finally {
		watch.end();
	}
}

/** One that says beforehand that it is too large. */
export function refuseDeclared({ headers }: FastifyRequest, bytesMax: number): Problem | undefined {
	return Number(headers["content-length"] ?? 0) > bytesMax ? bodyTooLarge(bytesMax) : undefined;
}
