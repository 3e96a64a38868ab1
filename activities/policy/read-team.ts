import { DEFAULT_TEAM_POLICY, readTeamPolicy } from "#domain/budget/team-policy.ts";
import { type CallCap, RATE_DIMENSIONS, type RateDimension, type RateRule } from "#domain/limits/team-limits.ts";
import { capKey, rateKey } from "#domain/policy/merge-policy.ts";
import type { KeyAttributes, TeamFile } from "#domain/policy/policy.ts";
import { ASSERTABLE, KEY_ENDPOINTS, KEY_ID_PATTERN, MAX_ASSERTED, MAX_LIMIT_RULES, WRITTEN_FIELDS } from "#domain/policy/written-form.ts";
import { type Cursor, withoutUndefined } from "./cursor.ts";
import { type BudgetDefaults, readBudgets } from "./read-budget.ts";
import { readRoutes } from "./read-channel.ts";
import { readRuns } from "./read-runs.ts";
import { KEY_ID_RULE, orNone, readAttribution, readCounted, readModelId, readNames, readUsd } from "./read-values.ts";

const MAX_FEATURES = 1_000;
const MAX_MODELS_PER_KEY = 1_000;
const MAX_APPROVERS = 100;
const MAX_REQUESTS_PER_MINUTE = 1_000_000_000;
const MAX_TOKENS_PER_MINUTE = 1_000_000_000_000;
const MAX_IN_FLIGHT = 1_000_000;
const MAX_CALL_TOKENS = 1_000_000_000;

/** One team of the file. Like everything that reads: undefined, or a field left out, after a mistake was noted. */
export function readTeam(cursor: Cursor, teamId: string, defaults: BudgetDefaults): TeamFile | undefined {
	const fields = cursor.fields(WRITTEN_FIELDS.team);
	if (fields === undefined) return undefined;
	const caps = fields.caps && readCaps(fields.caps);
	const rates = fields.rates && readRates(fields.rates);
	return withoutUndefined({
		isUnlimited: fields.unlimited?.flag(),
		settings: fields.settings && readSettings(fields.settings),
		features: fields.features && orNone(fields.features, (features) => readNames(features, MAX_FEATURES, readAttribution)),
		keys: fields.keys && readKeys(fields.keys),
		budgets: fields.budgets && readBudgets(fields.budgets, teamId, defaults),
		limits: caps === undefined && rates === undefined ? undefined : withoutUndefined({ caps, rates }),
		runs: fields.runs && readRuns(fields.runs),
		approvers: fields.approvers && readApprovers(fields.approvers),
		increaseCeilingNanoUsd: fields.increaseCeilingUsd && orNone(fields.increaseCeilingUsd, readUsd),
		alerts: fields.alerts && readRoutes(fields.alerts),
	});
}

export function readApprovers(cursor: Cursor): readonly string[] | undefined {
	return readNames(cursor, MAX_APPROVERS);
}

function readSettings(cursor: Cursor): Readonly<Record<string, unknown>> | undefined {
	const entries = cursor.entries();
	return (
		entries &&
		Object.fromEntries(
			entries.flatMap(([field, value, place]) => {
				if (!Object.hasOwn(DEFAULT_TEAM_POLICY, field)) {
					value.reading.fail(value.path, place, `is no setting of a team${value.reading.suggest(field, Object.keys(DEFAULT_TEAM_POLICY))}`);
					return [];
				}
				const setting = value.scalar();
				const [problem] = readTeamPolicy({ [field]: setting }).problems;
				if (problem === undefined) return [[field, setting]];
				value.fail(problem.problem);
				return [];
			}),
		)
	);
}

function readKeys(cursor: Cursor): Readonly<Record<string, Partial<KeyAttributes>>> | undefined {
	const entries = cursor.entries();
	return (
		entries &&
		Object.fromEntries(
			entries.flatMap(([keyId, key, place]) => {
				// At the path of the section: the name may be the secret itself.
				if (!KEY_ID_PATTERN.test(keyId)) cursor.reading.fail(cursor.path, place, `holds a name that is none: it ${KEY_ID_RULE}`);
				return KEY_ID_PATTERN.test(keyId) ? [[keyId, readKey(key) ?? {}]] : [];
			}),
		)
	);
}

function readKey(cursor: Cursor): Partial<KeyAttributes> | undefined {
	const fields = cursor.fields(WRITTEN_FIELDS.key);
	if (fields === undefined) return undefined;
	const key = withoutUndefined({
		feature: fields.feature && orNone(fields.feature, readAttribution),
		userId: fields.user && orNone(fields.user, readAttribution),
		environment: fields.environment && orNone(fields.environment, readAttribution),
		models: fields.models && orNone(fields.models, (models) => readNames(models, MAX_MODELS_PER_KEY, readModelId)),
		endpoints: fields.endpoints && orNone(fields.endpoints, (endpoints) => readNames(endpoints, KEY_ENDPOINTS.length, (item) => item.oneOf(KEY_ENDPOINTS))),
		mayAssert: fields.mayAssert && readAssertable(fields.mayAssert),
		maxAsserted: fields.maxAsserted?.wholeNumber(1, MAX_ASSERTED),
		requiresRun: fields.requireRun?.flag(),
		...(fields.batches && readBatchRules(fields.batches)),
	});
	if (fields.endpoints !== undefined && key.endpoints?.length === 0)
		fields.endpoints.fail("would let the key call nothing; null means all, tollgate key revoke ends a key");
	return key;
}

function readBatchRules(cursor: Cursor): Partial<KeyAttributes> {
	const fields = cursor.fields(WRITTEN_FIELDS.keyBatches);
	return withoutUndefined({ resubmitsBatches: fields?.resubmit?.flag(), relanesBatches: fields?.relane?.flag() });
}

function readAssertable(cursor: Cursor): KeyAttributes["mayAssert"] | undefined {
	const names = readNames(cursor, ASSERTABLE.length, (item) => item.oneOf(ASSERTABLE));
	return names?.flatMap((name) => ASSERTABLE.filter((known) => known === name));
}

function readCaps(cursor: Cursor): readonly CallCap[] | undefined {
	const seen = new Set<string>();
	return cursor.list(MAX_LIMIT_RULES, (item) => {
		const fields = item.fields(WRITTEN_FIELDS.cap);
		if (fields === undefined) return undefined;
		const feature = fields.feature === undefined ? null : readCounted(fields.feature, "feature");
		const limits = withoutUndefined({
			inputTokens: fields.inputTokens?.wholeNumber(1, MAX_CALL_TOKENS),
			outputTokens: fields.outputTokens?.wholeNumber(1, MAX_CALL_TOKENS),
			costNanoUsd: fields.costUsd && readUsd(fields.costUsd),
		});
		if (fields.inputTokens === undefined && fields.outputTokens === undefined && fields.costUsd === undefined)
			return item.fail("caps nothing: give inputTokens, outputTokens or costUsd");
		if (feature === undefined) return undefined;
		const cap = { feature, ...limits };
		if (seen.has(capKey(cap))) return item.fail(`caps ${feature === null ? "every feature" : `feature ${JSON.stringify(feature)}`} a second time; write one`);
		seen.add(capKey(cap));
		return cap;
	});
}

function readRates(cursor: Cursor): readonly RateRule[] | undefined {
	const seen = new Set<string>();
	return cursor.list(MAX_LIMIT_RULES, (item) => {
		const fields = item.fields(WRITTEN_FIELDS.rate);
		if (fields === undefined) return undefined;
		const named = RATE_DIMENSIONS.filter((name) => name !== "team").filter((name) => fields[name] !== undefined);
		const [first, second] = named;
		const dimension: RateDimension = first ?? "team";
		if (second !== undefined) fields[second]?.fail(`stands beside ${dimension}: a rate counts by one of them`);
		const value = dimension === "team" ? undefined : fields[dimension];
		const dimensionValue = value === undefined ? "" : value.written() === "*" ? "*" : readCounted(value, dimension);
		const limits = withoutUndefined({
			requestsPerMinute: fields.requestsPerMinute?.wholeNumber(1, MAX_REQUESTS_PER_MINUTE),
			tokensPerMinute: fields.tokensPerMinute?.wholeNumber(1, MAX_TOKENS_PER_MINUTE),
			inFlight: fields.inFlight?.wholeNumber(1, MAX_IN_FLIGHT),
		});
		if (fields.requestsPerMinute === undefined && fields.tokensPerMinute === undefined && fields.inFlight === undefined)
			return item.fail("limits nothing: give requestsPerMinute, tokensPerMinute or inFlight");
		if (dimensionValue === undefined) return undefined;
		const rate = { dimension, dimensionValue, ...limits };
		if (seen.has(rateKey(rate))) return item.fail("limits the same a second time; write one");
		seen.add(rateKey(rate));
		return rate;
	});
}
