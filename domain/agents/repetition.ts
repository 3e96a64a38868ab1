import { AT, type LoopMemory, PERIODS, readWord, toWord, wasPair, writeWord } from "./loop-memory.ts";
import type { LoopThresholds } from "./loop-thresholds.ts";
import type { Reading } from "./reading.ts";
import { describeCall, type Finding } from "./verdict.ts";

/**
 * Exact repetition, by comparing each pair of call and result with those 1 to 8 before: a call on its own, cycles, cycles between agents,
 * and a call that only ever fails. Pairs, not calls: a poll whose answer changes never repeats.
 */
export function judgeRepetition(memory: LoopMemory, reading: Reading, thresholds: LoopThresholds): readonly Finding[] {
	const cycle = judgeCycles(memory, reading, thresholds);
	const retry = judgeErrorStreak(memory, reading, thresholds);
	const findings = [cycle, retry].filter((finding) => finding !== undefined);
	// Both may speak of the same failures: the more severe does.
	return cycle?.guard !== retry?.guard ? findings : findings.slice(cycle?.severity === "warn" && retry?.severity === "stop" ? 1 : 0).slice(0, 1);
}

function judgeCycles(memory: LoopMemory, reading: Reading, thresholds: LoopThresholds): Finding | undefined {
	const { pair: hash, event } = reading;
	const isSameCall = readWord(memory, AT.lastCall) === toWord(reading.call.looseHash);
	let shortest: { readonly period: number; readonly covered: number } | undefined;
	for (let period = 1; period <= PERIODS; period += 1) {
		const at = AT.matches + period - 1;
		// Of what only seems equal, one in 65,536, one more would be one too many where a call is repeated: its call is compared as well.
		const isMatch = wasPair(memory, { hash, event, ago: period }) && (period > 1 || isSameCall);
		const matches = isMatch ? readWord(memory, at) + 1 : 0;
		writeWord(memory, at, matches);
		const covered = matches + period;
		if (shortest === undefined && matches > 0 && covered >= repeatsOf(period, reading, thresholds) * period) shortest = { period, covered };
	}
	return shortest && describeCycle(memory, shortest, { reading, thresholds });
}

function patience(memory: LoopMemory, period: number, { waitingFactor, severalPollsFactor }: LoopThresholds): number {
	if (readWord(memory, AT.waitAgo) < period) return waitingFactor;
	return period > 1 && readWord(memory, AT.polls) >= 2 * period ? severalPollsFactor : 1;
}

/** Whether a cycle of several calls is under way, beyond chance: it is judged as one, not as a lack of progress. */
export function isInCycle(memory: LoopMemory): boolean {
	for (let period = 2; period <= PERIODS; period += 1) if (readWord(memory, AT.matches + period - 1) >= MATCHES_OF_CYCLE) return true;
	return false;
}

const MATCHES_OF_CYCLE = 6;

function repeatsOf(period: number, { isError }: Reading, { identicalRepeats, errorRepeats, cycleRepeats }: LoopThresholds): number {
	if (period > 1) return cycleRepeats;
	return isError ? errorRepeats : identicalRepeats;
}

function describeCycle(
	memory: LoopMemory,
	{ period, covered }: { readonly period: number; readonly covered: number },
	{ reading, thresholds }: { readonly reading: Reading; readonly thresholds: LoopThresholds },
): Finding {
	const { exchange, isError, call } = reading;
	const warnAt = repeatsOf(period, reading, thresholds) * period;
	const single = call.isPolling && !isError ? thresholds.pollingGraceExchanges : thresholds.graceExchanges;
	const grace = period === 1 ? single : Math.max(thresholds.graceExchanges, 2 * period - 1);
	const stopAt = (warnAt + grace) * patience(memory, period, thresholds);
	const times = Math.floor(covered / period);
	const isBetweenAgents = period > 1 && readWord(memory, AT.switchAgo) < period;
	const told = describeCall(exchange.tool, exchange.argsText);
	const verdict = { severity: covered >= stopAt ? "stop" : "warn", measured: covered, threshold: covered >= stopAt ? stopAt : warnAt } as const;
	if (period === 1 && isError)
		return { ...verdict, guard: "loop.error_retry", evidence: `the call ${told} failed the same way ${times} times in ${covered} steps` };
	if (period === 1) return { ...verdict, guard: "loop.repetition", evidence: `the call ${told} and its result repeated ${times} times in ${covered} steps` };
	const cycle = `a cycle of ${period} calls that ends with ${told} came back ${times} times in ${covered} steps with the same results`;
	if (!isBetweenAgents) return { ...verdict, guard: "loop.cycle", evidence: cycle };
	return { ...verdict, guard: "loop.ping_pong", evidence: `agents hand the same work to each other: ${cycle}` };
}

const FRESH_FAILURES = 3;

/** A call that fails again and again in different words. Failures that nobody has seen before may be progress: of these the first three count. */
function judgeErrorStreak(
	memory: LoopMemory,
	{ exchange, call, isError, novelty }: Reading,
	{ errorRepeats, graceExchanges }: LoopThresholds,
): Finding | undefined {
	const isSame = readWord(memory, AT.lastCall) === toWord(call.looseHash);
	const streak = isError ? (isSame ? readWord(memory, AT.errorStreak) : 0) + 1 : 0;
	const fresh = isError ? (isSame ? readWord(memory, AT.errorFresh) : 0) + (novelty === "repeated" ? 0 : 1) : 0;
	writeWord(memory, AT.lastCall, toWord(call.looseHash));
	writeWord(memory, AT.errorStreak, streak);
	writeWord(memory, AT.errorFresh, fresh);
	const measured = streak - Math.max(0, fresh - FRESH_FAILURES);
	if (measured < errorRepeats || streak < 2) return undefined;
	const stopAt = errorRepeats + graceExchanges;
	const isStop = measured >= stopAt;
	return {
		guard: "loop.error_retry",
		severity: isStop ? "stop" : "warn",
		evidence: `the call ${describeCall(exchange.tool, exchange.argsText)} failed ${streak} times in a row`,
		measured,
		threshold: isStop ? stopAt : errorRepeats,
	};
}
