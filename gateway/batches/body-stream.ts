import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Problem } from "../problem.ts";
import type { Refusing } from "./refusing.ts";

/** Within `add`, a body is not read before its route reads it: routes whose bodies are larger than a gateway holds. */
export function withStreamedBodies(app: FastifyInstance, add: (streamed: FastifyInstance) => void): void {
	app.register((streamed, _options, done) => {
		streamed.removeAllContentTypeParsers();
		streamed.addContentTypeParser("*", (_request, payload, parsed) => parsed(null, payload));
		add(streamed);
		done();
	});
}

/**
 * The body of a request as it arrives, up to `bytesMax`. Whoever stops reading leaves the connection as it is, so that his caller still
 * hears why. Rejects where the caller leaves before its end.
 */
export async function* readBody(request: IncomingMessage, bytesMax: number, refusing: Refusing): AsyncGenerator<Uint8Array> {
	let bytes = 0;
	// By itself an iterator that is left early destroys the request, and its connection with it.
	for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > bytesMax) refusing.refuse(bodyTooLarge(bytesMax));
		yield chunk;
	}
}

/** One that says beforehand that it is too large. */
export function refuseDeclared({ headers }: FastifyRequest, bytesMax: number): Problem | undefined {
	return Number(headers["content-length"] ?? 0) > bytesMax ? bodyTooLarge(bytesMax) : undefined;
}

export function bodyTooLarge(bytesMax: number): Problem {
	return { code: "request.too_large", message: `The body is larger than ${bytesMax} bytes.` };
}
