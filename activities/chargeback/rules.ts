import type { Queryable } from "#activities/keys/port.ts";
import { type ChargebackRules, checkRules, DEFAULT_RULES, teamsIn } from "#domain/chargeback/rules.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { RulesInForce } from "./port.ts";

const READ = `
	SELECT revision::text AS revision, rules, set_at AS "setAt", set_by AS "setBy" FROM tollgate.chargeback_rules ORDER BY revision DESC LIMIT 1`;

type RulesRow = { readonly revision: string; readonly rules: ChargebackRules; readonly setAt: Date; readonly setBy: string };

export async function readRules(database: Queryable): Promise<RulesInForce> {
	const [row] = (await database.query<RulesRow>(READ)).rows;
	if (row === undefined) return { revision: "0", rules: DEFAULT_RULES, setAt: null, setBy: null };
	return { ...row, rules: { ...DEFAULT_RULES, ...row.rules }, setAt: row.setAt.toISOString() };
}

const SET = `
	WITH written AS (INSERT INTO tollgate.chargeback_rules (rules, set_by) VALUES ($1, $2) RETURNING revision)
	SELECT tollgate.record_change('statement', 'rules', $2, jsonb_build_object('action', 'set', 'rules', $1::jsonb, 'revision', revision)) FROM written`;

const UNKNOWN = "SELECT t.id FROM unnest($1::text[]) AS t (id) WHERE NOT EXISTS (SELECT 1 FROM tollgate.team x WHERE x.id = t.id) ORDER BY 1 LIMIT 1";

/**
 * Of months that are drafted from now on; what is closed keeps what it was closed by.
 * @throws CostControlError "admin.invalid" naming each field; "admin.not_found" for a team that does not exist.
 */
export async function setRules(database: Queryable, rules: ChargebackRules, adminName: string): Promise<RulesInForce> {
	const problems = checkRules(rules);
	if (problems.length > 0) {
		const message = problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
		throw new CostControlError("admin.invalid", message, { details: { field: problems[0]?.field ?? null } });
	}
	const [unknown] = (await database.query<{ id: string }>(UNKNOWN, [[...teamsIn(rules)]])).rows;
	if (unknown !== undefined) throw new CostControlError("admin.not_found", `There is no team ${JSON.stringify(unknown.id)}.`);
	await database.query(SET, [JSON.stringify(rules), adminName]);
	return readRules(database);
}
