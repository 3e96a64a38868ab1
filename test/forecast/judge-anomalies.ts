import { watchDays } from "#domain/anomaly/watch-days.ts";
import type { Fault, FaultKind, JudgedSeries } from "./series.ts";

/** What was found of what was planted. An alarm belongs to a fault from its first day on, for as long as it may take to see such a fault. */
export type JudgedAnomalies = {
	readonly found: Readonly<Record<FaultKind, number>>;
	readonly planted: Readonly<Record<FaultKind, number>>;
	/** Planted too early to know what is usual. */
	readonly tooEarly: number;
	readonly falseAlarms: number;
	readonly days: number;
};

const HISTORY_DAYS = 14;
/** Days after the first one on which an alarm still finds the fault. A mark of unknown kind may be the first day of a step. */
const FOUND_WITHIN: Readonly<Record<FaultKind, number>> = { spike: 0, unknown: 7, step: 14, ramp: 21 };
/** Days after the last one on which an alarm is about the fault still: that it lasts is worth another alarm, not a false one. */
const AFTERMATH_DAYS = 7;

export function judgeAnomalies({ amountsNanoUsd, firstDay, faults }: JudgedSeries): JudgedAnomalies {
	const alarms = watchDays(amountsNanoUsd.map(Number), firstDay).map(({ index }) => index);
	const begun = Math.max(
		0,
		amountsNanoUsd.findIndex((amount) => amount > 0n),
	);
	const judged = faults.filter(({ first }) => first >= begun + HISTORY_DAYS);
	const counts = (of: readonly Fault[]): Record<FaultKind, number> => ({
		spike: count(of, "spike"),
		step: count(of, "step"),
		ramp: count(of, "ramp"),
		unknown: count(of, "unknown"),
	});
	const found = judged.filter((fault) => alarms.some((alarm) => alarm >= fault.first && alarm <= foundBy(fault)));
	const falseAlarms = alarms.filter((alarm) => !faults.some((fault) => alarm >= fault.first && alarm <= aftermathOf(fault))).length;
	return {
		found: counts(found),
		planted: counts(judged),
		tooEarly: faults.length - judged.length,
		falseAlarms,
		days: Math.max(0, amountsNanoUsd.length - begun - HISTORY_DAYS),
	};
}

function count(faults: readonly Fault[], kind: FaultKind): number {
	return faults.filter((fault) => fault.kind === kind).length;
}

function foundBy({ kind, first, last }: Fault): number {
	return kind === "spike" ? last : first + Math.max(FOUND_WITHIN[kind], Math.min(last - first, FOUND_WITHIN.ramp));
}

function aftermathOf(fault: Fault): number {
	return fault.kind === "spike" ? fault.last : Math.max(foundBy(fault), Math.min(fault.last, fault.first + FOUND_WITHIN.ramp)) + AFTERMATH_DAYS;
}

export type AnomalyFigures = {
	readonly series: number;
	readonly planted: number;
	readonly foundPercent: number;
	readonly foundPercentByKind: Readonly<Partial<Record<FaultKind, number>>>;
	readonly tooEarly: number;
	readonly falseAlarmsPer90Days: number;
};

export function anomalyFiguresOf(judged: readonly JudgedAnomalies[]): AnomalyFigures {
	const total = (of: (one: JudgedAnomalies) => number): number => judged.reduce((sum, one) => sum + of(one), 0);
	const kinds = ["spike", "step", "ramp", "unknown"] as const;
	const planted = (kind: FaultKind): number => total((one) => one.planted[kind]);
	const found = (kind: FaultKind): number => total((one) => one.found[kind]);
	const all = (of: (kind: FaultKind) => number): number => kinds.reduce((sum, kind) => sum + of(kind), 0);
	const share = (part: number, whole: number): number => Math.round((10_000 * part) / whole) / 100;
	return {
		series: judged.length,
		planted: all(planted),
		foundPercent: all(planted) === 0 ? 100 : share(all(found), all(planted)),
		foundPercentByKind: Object.fromEntries(kinds.filter((kind) => planted(kind) > 0).map((kind) => [kind, share(found(kind), planted(kind))])),
		tooEarly: total(({ tooEarly }) => tooEarly),
		falseAlarmsPer90Days: share(
			(90 * total(({ falseAlarms }) => falseAlarms)) / 100,
			Math.max(
				1,
				total(({ days }) => days),
			),
		),
	};
}

export function anomalyMissesOf({ foundPercent, falseAlarmsPer90Days }: AnomalyFigures): string[] {
	return [
		...(foundPercent < 95 ? [`anomalies: ${foundPercent} % of the planted faults are found, not 95 %`] : []),
		...(falseAlarmsPer90Days > 1 ? [`anomalies: ${falseAlarmsPer90Days} false alarms a series and 90 days, more than 1`] : []),
	];
}
