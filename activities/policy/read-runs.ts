import { checkRunLimits, writeRunLimits } from "#domain/agents/run-limits.ts";
import { NEW_RUNS_PER_HOUR_MAX, ON_LOOP, PAUSE_HOURS_MAX } from "#domain/agents/team-runs.ts";
import type { TeamRunsFile } from "#domain/policy/policy.ts";
import type { PolicyPath } from "#domain/policy/policy-path.ts";
import { WRITTEN_FIELDS } from "#domain/policy/written-form.ts";
import { type Cursor, withoutUndefined } from "./cursor.ts";
import { orNone, readUsd } from "./read-values.ts";

/** What a team says of its agent runs. `null` brings a field back to its default. */
export function readRuns(cursor: Cursor): TeamRunsFile | undefined {
	const fields = cursor.fields(WRITTEN_FIELDS.runs);
	if (fields === undefined) return undefined;
	return withoutUndefined({
		limits: fields.limits && orNone(fields.limits, readCeilings),
		most: fields.most && orNone(fields.most, readCeilings),
		onLoop: fields.onLoop && orNone(fields.onLoop, (onLoop) => onLoop.oneOf(ON_LOOP)),
		newRunsPerHour: fields.newRunsPerHour && orNone(fields.newRunsPerHour, (count) => count.wholeNumber(1, NEW_RUNS_PER_HOUR_MAX)),
		pauseHours: fields.pauseHours && orNone(fields.pauseHours, (hours) => hours.wholeNumber(1, PAUSE_HOURS_MAX)),
	});
}

const MONEY = "costUsd";
const STORED_MONEY = "costNanoUsd";
const ENTRIES_MAX = 100;

/** Ceilings by their names, money as `costUsd`; the rules are those of a run's own limits (domain/agents/run-limits.ts). */
function readCeilings(cursor: Cursor): Readonly<Record<string, unknown>> | undefined {
	const entries = cursor.entries();
	if (entries === undefined) return undefined;
	const mistakesBefore = cursor.reading.mistakes.length;
	const paths = new Map<string, PolicyPath>();
	const plain: [string, unknown][] = [];
	for (const [name, value, place] of entries.slice(0, ENTRIES_MAX)) {
		if (name === STORED_MONEY) {
			cursor.reading.fail(value.path, place, `is written ${MONEY} here, in dollars`);
			continue;
		}
		const isMoney = name === MONEY;
		const stored = isMoney ? STORED_MONEY : name;
		plain.push([stored, isMoney && value.written() !== undefined ? readUsd(value) : plainOf(value, { field: `limits.${stored}`, isMoney, paths })]);
		paths.set(`limits.${stored}`, value.path);
	}
	if (cursor.reading.mistakes.length > mistakesBefore) return undefined;
	const checked = checkRunLimits(Object.fromEntries(plain));
	if (checked.kind === "valid") return writeRunLimits(checked.value);
	for (const { field, problem } of checked.problems)
		cursor.reading.failAt(paths.get(field) ?? cursor.path, paths.has(field) ? problem : `${field}: ${problem}`);
	return undefined;
}

type Plain = { readonly field: string; readonly isMoney: boolean; readonly paths: Map<string, PolicyPath> };

/** As JSON has it, with where each part stands; `at` of money in nano-USD. */
function plainOf(cursor: Cursor, { field, isMoney, paths }: Plain): unknown {
	paths.set(field, cursor.path);
	if (cursor.isNothing()) return null;
	if (cursor.written() !== undefined) return isMoney && field.endsWith(".at") ? readUsd(cursor) : cursor.scalar();
	const entries = cursor.entries() ?? [];
	return Object.fromEntries(entries.map(([name, value]) => [name, plainOf(value, { field: `${field}.${name}`, isMoney, paths })]));
}
