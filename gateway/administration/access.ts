import type { TeamsOf } from "#activities/administration/teams-of.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { AdminGrant, AdminRole } from "#domain/access/admin-role.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/**
 * Who may use a route, and how a team owner is kept to his teams. Every route says both: there is no default that a new one could fall into.
 */
export type RouteAccess =
	/** Nobody has signed in yet. */
	{ readonly kind: "anyone" } | { readonly kind: "roles"; readonly roles: readonly AdminRole[]; readonly teams: TeamScope | null };

/** Where a question says which team it is about. Absent = team owners have no part in the route. */
export type TeamScope =
	/** `teamId` of the query: his only team where it is left out; of several, one after another where answers can be merged. */
	| { readonly kind: "query"; readonly merge: MergeAnswers | undefined }
	| { readonly kind: "path" }
	| { readonly kind: "body" }
	/** The id of something that belongs to teams. */
	| { readonly kind: "found"; readonly idOf: (input: RouteInput) => unknown; readonly teamsOf: TeamsOf }
	/** The handler leaves out what is not of `context.teamIds`, or there is nothing of teams in the answer. */
	| { readonly kind: "handler" };

export type RouteInput = { readonly params: Readonly<Record<string, string>>; readonly query: unknown; readonly body: unknown };
/** Answers of single teams as one; `query` as it was asked. */
export type MergeAnswers = (answers: readonly unknown[], query: unknown) => unknown;

export const ANYONE: RouteAccess = { kind: "anyone" };
export const HANDLER: TeamScope = { kind: "handler" };
export const OF_PATH: TeamScope = { kind: "path" };
export const OF_BODY: TeamScope = { kind: "body" };

export function ofQuery(merge?: MergeAnswers): TeamScope {
	return { kind: "query", merge };
}

/** By the parameter of the path. */
export function owned(parameter: string, teamsOf: TeamsOf): TeamScope {
	return { kind: "found", idOf: ({ params }) => params[parameter], teamsOf };
}

/** By a field of the body, which a team owner has to give. */
export function ownedInBody(field: string, teamsOf: TeamsOf): TeamScope {
	return { kind: "found", idOf: ({ body }) => (body as Readonly<Record<string, unknown>>)[field], teamsOf };
}

/** Whoever may sign in may read it; team owners only with a scope. */
export function readers(teams: TeamScope | null): RouteAccess {
	return access(["operator", "viewer", "finance"], teams);
}

/** Operators alone, and team owners with a scope. */
export function operators(teams: TeamScope | null = null): RouteAccess {
	return access(["operator"], teams);
}

/** Whoever is somebody, about himself. */
export const SIGNED_IN: RouteAccess = readers(HANDLER);
export const FINANCE: RouteAccess = access(["operator", "finance"], null);

function access(roles: readonly AdminRole[], teams: TeamScope | null): RouteAccess {
	return { kind: "roles", roles: teams === null ? roles : [...roles, "team-owner"], teams };
}

/** @throws CostControlError "admin.forbidden". */
export function requireRole(route: RouteAccess, { role }: AdminGrant): void {
	if (route.kind === "anyone" || route.roles.includes(role)) return;
	throw new CostControlError("admin.forbidden", `The role ${role} may not do this; it takes: ${route.roles.join(", ")}.`);
}

/** The query as it is before it is checked: a list that names no team is one of the only team of its owner. */
export function withOwnTeam(route: RouteAccess, { teamIds }: AdminGrant, query: unknown): unknown {
	const [only, ...others] = teamIds ?? [];
	if (only === undefined || others.length > 0 || scopeOf(route)?.kind !== "query") return query;
	const asked = query as Readonly<Record<string, unknown>>;
	return asked["teamId"] === undefined ? { ...asked, teamId: only } : query;
}

/**
 * What the handler is asked for this caller: the question itself, or one for each of a team owner's teams.
 * @throws CostControlError "admin.forbidden" for what is another team's, nobody's, or does not exist: nothing is learnt from which;
 *   "admin.invalid" naming teamId where one team has to be named.
 */
export async function narrowToTeams(route: RouteAccess, { teamIds }: AdminGrant, input: RouteInput, database: Queryable): Promise<readonly RouteInput[]> {
	const scope = scopeOf(route);
	if (teamIds === null || scope === null || scope.kind === "handler") return [input];
	if (scope.kind === "found") {
		const id = scope.idOf(input);
		requireOwn(teamIds, typeof id === "string" ? await scope.teamsOf(database, id) : []);
		return [input];
	}
	const asked = teamIdOf(scope.kind === "path" ? input.params : scope.kind === "body" ? input.body : input.query);
	if (asked === undefined && scope.kind === "query") return eachTeam(scope, teamIds, input);
	requireOwn(teamIds, asked === undefined ? [] : [asked]);
	return [input];
}

/** @throws CostControlError "admin.invalid" naming teamId for a question about one team. */
function eachTeam({ merge }: { readonly merge: MergeAnswers | undefined }, teamIds: readonly string[], input: RouteInput): readonly RouteInput[] {
	if (merge !== undefined || teamIds.length === 1) return teamIds.map((teamId) => ({ ...input, query: { ...(input.query as object), teamId } }));
	throw new CostControlError("admin.invalid", `teamId: name one of your teams: ${teamIds.join(", ")}`, { details: { field: "teamId" } });
}

/** @throws Error where a route that is of one team was asked for several: eachTeam refuses that before. */
export function mergeAnswers(route: RouteAccess, answers: readonly unknown[], query: unknown): unknown {
	const scope = scopeOf(route);
	if (scope?.kind !== "query" || scope.merge === undefined) throw new Error("answers of several teams cannot be merged");
	return scope.merge(answers, query);
}

/** @throws CostControlError "admin.forbidden". */
function requireOwn(own: readonly string[], asked: readonly string[]): void {
	if (asked.length > 0 && asked.every((teamId) => own.includes(teamId))) return;
	throw new CostControlError("admin.forbidden", `This is not of your teams: ${own.join(", ")}.`);
}

function scopeOf(route: RouteAccess): TeamScope | null {
	return route.kind === "anyone" ? null : route.teams;
}

function teamIdOf(values: unknown): string | undefined {
	const teamId = (values as Readonly<Record<string, unknown>> | null | undefined)?.["teamId"];
	return typeof teamId === "string" ? teamId : undefined;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * Lists of single teams as one, in the order of `by`, cut at the query's `limit`. Each is a page of the same cursor, so that together they hold
 * the first of all. What stands beside the list is that of the first.
 */
export function mergeLists(list: string, by?: { readonly field: string; readonly isDescending: boolean }): MergeAnswers {
	return (answers, query) => {
		const rows = answers.flatMap((answer) => (answer as Readonly<Record<string, readonly Row[]>>)[list] ?? []);
		const limit = (query as { readonly limit?: number } | undefined)?.limit;
		const sorted = by === undefined ? rows : rows.toSorted((left, right) => compare(left[by.field], right[by.field]) * (by.isDescending ? -1 : 1));
		return { ...(answers[0] as Row), [list]: limit === undefined ? sorted : sorted.slice(0, limit) };
	};
}

/** Numbers of any length in decimal text by their size, other text by its characters. */
function compare(left: unknown, right: unknown): number {
	const [a, b] = [String(left), String(right)];
	const areNumbers = /^\d+$/.test(a) && /^\d+$/.test(b);
	if (areNumbers && a.length !== b.length) return a.length - b.length;
	return a < b ? -1 : a > b ? 1 : 0;
}
