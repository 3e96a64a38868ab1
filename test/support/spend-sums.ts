import type { Queryable } from "#activities/keys/port.ts";

const FIGURES = ["calls", "input_tokens", "output_tokens", "amount_nano_usd", "unresolved_nano_usd"];
const NAMES = "debit_account, credit_account, model, asked_model, feature, key_id, environment";
const ADDED = FIGURES.map((name) => `sum(d.${name})`).join(", ");

/**
 * To sums of combinations by day that a test wrote by hand, those that count_spend (migrations/0032) would have beside them: of each dimension by itself, and
 * of months.
 */
export async function addCoarserSums(database: Queryable): Promise<void> {
	await database.query(`
		INSERT INTO tollgate.spend_slice (dimension, ${NAMES})
		SELECT DISTINCT v.dimension, ${NAMES.replaceAll(/(\w+)/g, "v.$1")} FROM tollgate.spend_slice s
		CROSS JOIN LATERAL tollgate.single_slices(${NAMES.replaceAll(/(\w+)/g, "s.$1")}) v WHERE s.dimension = '' ON CONFLICT DO NOTHING`);
	await database.query(`
		INSERT INTO tollgate.spend_utc_day (slice_id, starts_at, ${FIGURES.join(", ")})
		SELECT x.id, d.starts_at, ${ADDED} FROM tollgate.spend_utc_day d JOIN tollgate.spend_slice s ON s.id = d.slice_id AND s.dimension = ''
		CROSS JOIN LATERAL tollgate.single_slices(${NAMES.replaceAll(/(\w+)/g, "s.$1")}) v
		JOIN tollgate.spend_slice x ON (x.dimension, ${NAMES.replaceAll(/(\w+)/g, "x.$1")}) = (v.dimension, ${NAMES.replaceAll(/(\w+)/g, "v.$1")})
		GROUP BY 1, 2`);
	await database.query(`
		INSERT INTO tollgate.spend_utc_month (slice_id, starts_at, ${FIGURES.join(", ")})
		SELECT d.slice_id, date_trunc('month', d.starts_at, 'UTC'), ${ADDED} FROM tollgate.spend_utc_day d GROUP BY 1, 2`);
}
