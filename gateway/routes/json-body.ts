import type { FastifyRequest } from "fastify";
import { readJson } from "#domain/text/read-json.ts";
import type { Problem } from "../problem.ts";

/** An absent body is an empty object. */
export type ReadBody = { readonly kind: "read"; readonly value: unknown } | { readonly kind: "rejected"; readonly problem: Problem };

const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

/** The JSON of a request that is not a call of a model. */
export function readJsonBody({ body, headers }: Pick<FastifyRequest, "body" | "headers">): ReadBody {
	if (!Buffer.isBuffer(body) || body.length === 0) return { kind: "read", value: {} };
	const type = headers["content-type"];
	if (type !== undefined && !JSON_TYPE.test(type)) return rejected("The content type must be application/json in UTF-8.", "content-type");
	const encoding = headers["content-encoding"];
	if (encoding !== undefined && encoding !== "identity") return rejected("A compressed body is not read; send it plain.", "content-encoding");
	try {
		return { kind: "read", value: readJson(new TextDecoder("utf-8", { fatal: true }).decode(body)) };
	} catch (error) {
		// Not UTF-8 is a TypeError, no JSON a SyntaxError.
		if (error instanceof TypeError || error instanceof SyntaxError) return rejected("The body must be a JSON object in UTF-8.", "body");
		throw error;
	}
}

function rejected(message: string, field: string): ReadBody {
	return { kind: "rejected", problem: { code: "request.invalid", message, field } };
}
