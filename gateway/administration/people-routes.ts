import { z } from "zod";
import { createAdminKey, listAdminKeys, revokeAdminKey } from "#activities/administration/admin-keys.ts";
import { eraseUser, listUserNames, nameUser } from "#activities/administration/users.ts";
import * as contract from "#clients/administration-contract.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { operators, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const DONE = { done: true } as const;
const limit = z.coerce.number().int().min(1).max(1_000).default(200);

const administrators: readonly Route[] = [
	defineRoute("GET /admin-keys", {
		operationId: "listAdminKeys",
		access: readers(null),
		summary: "Admin keys, without secrets",
		answer: contract.AdminKeyList,
		handle: async ({ database }) => ({ adminKeys: (await listAdminKeys(database)).map((key) => ({ ...key, teamIds: key.teamIds && [...key.teamIds] })) }),
	}),
	defineRoute("POST /admin-keys", {
		operationId: "createAdminKey",
		access: operators(),
		summary: "Create an admin key for a person; the secret is in this answer only",
		body: contract.CreateAdminKeyRequest,
		answer: contract.CreatedAdminKey,
		status: 201,
		handle: (context, { body }) => createAdminKey(context.database, body, context.adminName),
	}),
	defineRoute("POST /admin-keys/{adminKeyId}/revoke", {
		operationId: "revokeAdminKey",
		access: operators(),
		summary: "Revoke an admin key; the last one of an operator stays",
		answer: contract.Done,
		handle: async (context, { params }) => {
			await revokeAdminKey(context.database, params["adminKeyId"] ?? "", context.adminName);
			return DONE;
		},
	}),
];

const users: readonly Route[] = [
	defineRoute("GET /users", {
		operationId: "listUsers",
		access: readers(null),
		summary: "Users that have a readable name, page by page",
		answer: contract.UserNameList,
		query: z.strictObject({ afterId: z.string().optional(), limit }),
		handle: async ({ database }, { query }) => ({ users: await listUserNames(database, query) }),
	}),
	defineRoute("PUT /users/{userId}", {
		operationId: "nameUser",
		access: operators(),
		summary: "Give a user id a readable name",
		body: contract.NameUserRequest,
		answer: contract.Done,
		handle: async (context, { params, body }) => {
			await nameUser(context.database, { userId: readUserId(params["userId"]), name: body.name }, context.adminName);
			return DONE;
		},
	}),
	defineRoute("DELETE /users/{userId}", {
		operationId: "eraseUser",
		access: operators(),
		summary: "Forget a user's readable name; what the id spent stays in the books",
		answer: contract.Done,
		handle: async (context, { params }) => {
			await eraseUser(context.database, readUserId(params["userId"]), context.adminName);
			return DONE;
		},
	}),
];

/** A user id as keys and calls carry it. */
function readUserId(text = ""): string {
	const read = contract.Attribution.safeParse(text);
	if (!read.success) throw new CostControlError("admin.invalid", `userId: ${read.error.issues[0]?.message}`, { details: { field: "userId" } });
	return read.data;
}

/** Who administers, and what users are called. */
export const PEOPLE_ROUTES: readonly Route[] = [...users, ...administrators];
