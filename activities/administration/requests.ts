import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** Calls of one team that match, the newest first. */
export type RequestsQuestion = {
	readonly teamId: string;
	/** ISO 8601; default: a day before `to`. */
	readonly from?: string | undefined;
	/** ISO 8601, exclusive; default: now. */
	readonly to?: string | undefined;
	readonly only?: Readonly<Partial<Record<RequestFilter, string | undefined>>>;
	readonly limit: number;
	/** The `next` of the page before. */
	readonly after?: string | undefined;
};

export type RequestFilter = "feature" | "user" | "model" | "provider" | "key" | "environment" | "outcome";

/** One attempt in short; amounts are decimal strings of nano-USD. */
export type RequestRow = {
	readonly requestId: string;
	readonly attemptId: string;
	readonly at: string;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly keyId: string;
	readonly environment: string | null;
	readonly provider: string;
	readonly model: string;
	readonly outcome: string;
	readonly costNanoUsd: string;
	readonly inputTokens: string | null;
	readonly outputTokens: string | null;
	readonly durationMs: number | null;
};

export type RequestPage = {
	readonly requests: readonly RequestRow[];
	/** Where the next page begins, which may be empty too; null: there is none. */
	readonly next: string | null;
};

/** So many calls of the team one page looks at, whatever it is narrowed to. */
const EXAMINED_MAX = 20_000;
const DAY_MS = 86_400_000;
const COLUMNS: Readonly<Record<RequestFilter, string>> = {
	feature: "feature",
	user: "user_id",
	model: "model",
	provider: "provider",
	key: "key_id",
	environment: "environment",
	outcome: "outcome",
};
const PLACE = `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '~' || attempt_id`;

/** @throws CostControlError "admin.invalid" for a time that is none, one that is backwards, and an `after` that no page gave. */
export async function listRequests(database: Queryable, question: RequestsQuestion): Promise<RequestPage> {
	const toMs = readInstant(question.to, "to") ?? Date.now();
	const fromMs = readInstant(question.from, "from") ?? toMs - DAY_MS;
	if (fromMs > toMs) throw invalid("to", "is before from");
	const [afterAt, afterId] = readPlace(question.after);
	const narrowed = Object.entries(question.only ?? {}).filter((entry): entry is [RequestFilter, string] => entry[1] !== undefined);
	const conditions = narrowed.map(([name], index) => `${COLUMNS[name]} = $${index + 7}`);
	const values = [
		question.teamId,
		new Date(fromMs).toISOString(),
		new Date(toMs).toISOString(),
		afterAt,
		afterId,
		question.limit,
		...narrowed.map(([, value]) => value),
	];
	const { rows } = await database.query<{ page: RequestPage & { readonly examined: number; readonly last: string | null } }>(pageSql(conditions), values);
	const page = rows[0]?.page;
	if (page === undefined) throw new Error("a page of requests is one row");
	return { requests: page.requests, next: page.requests.length === question.limit ? page.next : page.examined === EXAMINED_MAX ? page.last : null };
}

/** The newest of the team in this time by its index; what it is narrowed to is looked for among them. */
function pageSql(conditions: readonly string[]): string {
	return `
	WITH examined AS MATERIALIZED (
		SELECT request_id, attempt_id, at, feature, user_id, key_id, environment, provider, model, outcome, cost_nano_usd, input_tokens, output_tokens, duration_ms
		FROM tollgate.attempt
		WHERE team_id = $1 AND at >= $2 AND at < $3 AND ($4::timestamptz IS NULL OR (at, attempt_id) < ($4, $5)) AND at <= coalesce($4, 'infinity')
		ORDER BY at DESC, attempt_id DESC LIMIT ${EXAMINED_MAX}
	), found AS (
		SELECT *, ${PLACE} AS place FROM examined ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`} ORDER BY at DESC, attempt_id DESC LIMIT $6
	)
	SELECT jsonb_build_object(
		'requests', (SELECT coalesce(jsonb_agg(jsonb_build_object('requestId', request_id, 'attemptId', attempt_id, 'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
			'feature', feature, 'userId', user_id, 'keyId', key_id, 'environment', environment, 'provider', provider, 'model', model, 'outcome', outcome,
			'costNanoUsd', cost_nano_usd::text, 'inputTokens', input_tokens::text, 'outputTokens', output_tokens::text, 'durationMs', duration_ms)
			ORDER BY at DESC, attempt_id DESC), '[]') FROM found),
		'next', (SELECT place FROM found ORDER BY at, attempt_id LIMIT 1),
		'examined', (SELECT count(*) FROM examined),
		'last', (SELECT ${PLACE} FROM examined ORDER BY at, attempt_id LIMIT 1)) AS page`;
}

function readPlace(after: string | undefined): readonly [at: string | null, attemptId: string | null] {
	if (after === undefined) return [null, null];
	const [, at, attemptId] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)~(.+)$/.exec(after) ?? [];
	if (at === undefined || attemptId === undefined || Number.isNaN(Date.parse(at))) throw invalid("after", "is none that a page gave");
	return [at, attemptId];
}

function readInstant(text: string | undefined, field: string): number | undefined {
	if (text === undefined) return undefined;
	const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
	if (Number.isNaN(ms)) throw invalid(field, `${JSON.stringify(text.slice(0, 40))} is no time like 2026-11-01 or 2026-11-01T12:00:00Z`);
	return ms;
}

function invalid(field: string, problem: string): CostControlError {
	return new CostControlError("admin.invalid", `${field}: ${problem}`, { details: { field } });
}
