import { loadFieldTables } from "#config/request-fields/load.ts";
import { type InspectOptions, inspectRequest } from "#domain/bound/inspect-request.ts";
import type { Endpoint, InspectedRequest, RequestProblem } from "#domain/bound/request.ts";

export const FIELD_TABLES = loadFieldTables();

/** Inspects a body given as an object or as raw text; throws when it is rejected. */
export function inspected(endpoint: Endpoint, body: object | string | Buffer, options?: InspectOptions): InspectedRequest {
	const result = inspectRequest(endpoint, toBytes(body), FIELD_TABLES[endpoint], options);
	if (result.kind === "rejected") throw new Error(`rejected: ${result.problem.code} ${result.problem.message}`);
	return result.request;
}

/** The problem a body is rejected with; throws when it is accepted. */
export function rejected(endpoint: Endpoint, body: object | string | Buffer, options?: InspectOptions): RequestProblem {
	const result = inspectRequest(endpoint, toBytes(body), FIELD_TABLES[endpoint], options);
	if (result.kind === "inspected") throw new Error("was not rejected");
	return result.problem;
}

function toBytes(body: object | string | Buffer): Buffer {
	if (Buffer.isBuffer(body)) return body;
	return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}
