import { createHash } from "node:crypto";
import type { Queryable } from "#activities/keys/port.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type Report, type ReportName, readReportId, reportId } from "#domain/reports/report.ts";
import { reportFromWire, reportToWire, type WireReport } from "#domain/reports/report-codec.ts";
import type { ReportKind } from "#domain/reports/report-period.ts";
import type { ReportSummary, StoredReport } from "./port.ts";

const COLUMNS = `r.kind, to_char(r.date, 'YYYY-MM-DD') AS date, r.team_id, r.edition, tollgate.to_ms(r.written_at)::float8 AS written_at_ms, r.written_by, r.spent_nano_usd::text AS spent`;

type Row = {
	readonly kind: ReportKind;
	readonly date: string;
	readonly team_id: string;
	readonly edition: number;
	readonly written_at_ms: number;
	readonly written_by: string;
	readonly spent: string;
};

export type ReportList = {
	readonly kind?: ReportKind | undefined;
	/** Of one team; "@organization": of the organisation alone; default: all. */
	readonly teamId?: string | undefined;
	/** Of periods that began before this day. */
	readonly before?: string | undefined;
	readonly limit: number;
};

/** The newest edition of each, the newest period first. */
export async function listReports(database: Queryable, { kind, teamId, before, limit }: ReportList): Promise<readonly ReportSummary[]> {
	const { rows } = await database.query<Row>(
		`SELECT ${COLUMNS} FROM tollgate.report r
		 WHERE ($1::text IS NULL OR r.kind = $1) AND ($2::text IS NULL OR r.team_id = $2) AND ($3::date IS NULL OR r.date < $3)
		   AND NOT EXISTS (SELECT 1 FROM tollgate.report n WHERE n.kind = r.kind AND n.date = r.date AND n.team_id = r.team_id AND n.edition > r.edition)
		 ORDER BY r.date DESC, r.kind, r.team_id LIMIT $4`,
		[kind ?? null, teamId ?? null, before ?? null, limit],
	);
	return rows.map(toSummary);
}

/** @throws CostControlError "admin.invalid" for what is no id of a report, "admin.not_found" for one that was not written. */
export async function readReport(database: Queryable, id: string, edition?: number): Promise<StoredReport> {
	const name = readReportId(id);
	if (name === undefined)
		throw new CostControlError("admin.invalid", `reportId: ${JSON.stringify(id.slice(0, 80))} is none like daily-2026-11-26 or daily-2026-11-26-TEAM`, {
			details: { field: "reportId" },
		});
	const stored = await findReport(database, name, edition);
	if (stored !== undefined) return stored;
	const which = edition === undefined ? "" : ` with edition ${edition}`;
	const team = name.teamId === null ? "" : ` --team ${name.teamId}`;
	throw new CostControlError("admin.not_found", `There is no report ${id}${which}. Write it with: npx tollgate report ${name.kind} --date ${name.date}${team}`);
}

/** The newest edition, where none is named. */
export async function findReport(database: Queryable, { kind, date, teamId }: ReportName, edition?: number): Promise<StoredReport | undefined> {
	const { rows } = await database.query<Row & { readonly content: WireReport; readonly workflow_id: string | null }>(
		`SELECT ${COLUMNS}, r.content, r.workflow_id FROM tollgate.report r
		 WHERE r.kind = $1 AND r.date = $2 AND r.team_id = $3 AND ($4::integer IS NULL OR r.edition = $4) ORDER BY r.edition DESC LIMIT 1`,
		[kind, date, teamId ?? ORGANIZATION_ID, edition ?? null],
	);
	const row = rows[0];
	return row === undefined ? undefined : { ...toSummary(row), workflowId: row.workflow_id, report: reportFromWire(row.content) };
}

/** Keeps it where there is none of its period, or where it was asked for `again` and says something else. Returns the edition that holds. */
export async function storeReport(
	database: Queryable,
	report: Report,
	of: { readonly by: string; readonly spentNanoUsd: bigint; readonly again: boolean; readonly workflowId: string | null },
): Promise<{ readonly edition: number; readonly isNew: boolean }> {
	const wire = reportToWire(report);
	const { rows } = await database.query<{ readonly edition: number; readonly isNew: boolean }>(
		'SELECT edition, is_new AS "isNew" FROM tollgate.store_report($1, $2, $3, $4, $5, $6, $7, $8, $9)',
		[
			report.kind,
			report.date,
			report.teamId ?? ORGANIZATION_ID,
			of.by,
			of.spentNanoUsd.toString(),
			digestOf(wire),
			JSON.stringify(wire),
			of.again,
			of.workflowId,
		],
	);
	const [row] = rows;
	if (row === undefined) throw new Error("tollgate.store_report returned no row");
	return row;
}

/** Of what a report says: not of the cut, which every later booking moves. */
function digestOf({ cut: _, ...content }: WireReport): string {
	return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

function toSummary({ kind, date, team_id, edition, written_at_ms: writtenAtMs, written_by: writtenBy, spent: spentNanoUsd }: Row): ReportSummary {
	const teamId = team_id === ORGANIZATION_ID ? null : team_id;
	return { id: reportId({ kind, date, teamId }), kind, date, teamId, edition, writtenAtMs, writtenBy, spentNanoUsd };
}
