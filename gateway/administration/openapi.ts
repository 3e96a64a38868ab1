import { z } from "zod";
import * as contract from "#clients/administration-contract.ts";
import { CSRF_HEADER, SESSION_COOKIE } from "./caller.ts";
import type { Route } from "./route.ts";

type JsonObject = Record<string, unknown>;

/** Every route answers it alike; its schema stands in the document once. */
const PROBLEM = { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } };

/** The OpenAPI 3.1 document of the administration API, made from the routes' own schemas. */
export function describeAdministrationApi(routes: readonly Route[]): JsonObject {
	const paths: Record<string, JsonObject> = {};
	for (const route of routes) {
		const path = `${contract.ADMINISTRATION_PREFIX}${route.path}`;
		paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
	}
	return {
		openapi: "3.1.0",
		info: {
			title: "Tollgate administration",
			version: "1",
			description: "Teams, keys, budgets, prices and books. Amounts are decimal strings; every change records the admin key's name.",
		},
		paths,
		components: {
			schemas: { Problem: jsonSchema(contract.Problem, "output") },
			securitySchemes: {
				adminKey: { type: "http", scheme: "bearer", description: "admin key (tga-…)" },
				session: { type: "apiKey", in: "cookie", name: SESSION_COOKIE, description: `of the console; every method but GET also needs ${CSRF_HEADER}` },
			},
		},
		security: [{ adminKey: [] }, { session: [] }],
	};
}

function operation(route: Route): JsonObject {
	return {
		operationId: route.operationId,
		summary: route.summary,
		...(route.access.kind === "anyone" && { security: [] }),
		"x-tollgate-roles": route.access.kind === "anyone" ? [] : [...route.access.roles],
		parameters: [...pathParameters(route), ...queryParameters(route)],
		...(route.body ? { requestBody: { required: true, content: json(route.body, "input") } } : {}),
		responses: {
			[route.status]: { description: route.summary, content: json(route.answer, "output") },
			default: { description: "refused: error.code says why, error.field where to look", content: PROBLEM },
		},
	};
}

function pathParameters(route: Route): JsonObject[] {
	return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } }));
}

function queryParameters(route: Route): JsonObject[] {
	if (!route.query) return [];
	const schema = jsonSchema(route.query, "input") as { properties?: Record<string, JsonObject>; required?: string[] };
	return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
		name,
		in: "query",
		required: schema.required?.includes(name) ?? false,
		schema: property,
	}));
}

function json(schema: z.ZodType, io: "input" | "output"): JsonObject {
	return { "application/json": { schema: jsonSchema(schema, io) } };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonObject {
	const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
	return rest;
}
