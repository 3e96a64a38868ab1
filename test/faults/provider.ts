import { expect } from "vitest";
import { startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { until } from "#test/support/until.ts";
import { MODEL, type PlannedCall, planCall } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { BROKEN, expectEnds, type Load } from "./load.ts";
import { type FaultStand, LEASE_MS, type LoadOptions } from "./stand.ts";

/** What a provider may do to a call: refuse it, hang and bill, report nonsense, break or mangle its stream. */

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Rates = Readonly<Record<string, number>>;

/** The provider misbehaves at these rates for 2 leases under load. */
async function misbehave(
	run: FaultRun,
	rates: Rates,
	options: LoadOptions & { readonly retryAfterSeconds?: number } = {},
): Promise<{ stand: FaultStand; load: Load; recoveryMs: number }> {
	const stand = await run.open({ providerEnvironment: { TOLLGATE_SIMULATOR_SEED: String(run.seed) } });
	const load = await stand.load(run.random, options);
	const { provider } = stand.base;
	await load.beginFault(2 * LEASE_MS);
	await provider.control("faults", { rates, ...(options.retryAfterSeconds !== undefined && { retryAfterSeconds: options.retryAfterSeconds }) });
	await after(2 * LEASE_MS);
	await provider.control("faults", { rates: {} });
	const recoveryMs = await stand.recover();
	load.healed();
	await load.finish();
	return { stand, load, recoveryMs };
}

const statusCount = async (stand: FaultStand, status: number): Promise<number> =>
	Number(((await stand.base.provider.control("state"))["statusCounts"] as Record<string, number>)[status] ?? 0);

const outcomesOf = async (stand: FaultStand): Promise<Record<string, number>> =>
	Object.fromEntries(
		(await stand.sql<{ outcome: string; count: number }>("SELECT outcome, count(*)::int AS count FROM tollgate.attempt GROUP BY 1")).map(
			({ outcome, count }) => [outcome, count],
		),
	);

const STREAM_FAULTS = ["one_byte_slices", "split_utf8", "duplicate_chunk", "no_done", "cut_mid_stream", "error_event_mid_stream"] as const;

/** The events of a stream without what differs from call to call. */
function eventsOf(text: string): string[] {
	return text
		.split("\n")
		.filter((line) => line.startsWith("data: "))
		.map((line) => line.replace(/"(id|created|system_fingerprint)":("[^"]*"|\d+),?/g, ""));
}

/** The same bytes, in order, as a caller would have had from the provider itself; of a broken stream, up to where it broke. */
async function expectStreamTruth(run: FaultRun, stand: FaultStand): Promise<void> {
	const reference = await startSimulatedProvider({ TOLLGATE_SIMULATOR_SEED: String(run.seed) });
	run.defer(() => reference.close());
	for (const fault of STREAM_FAULTS) {
		const body = JSON.stringify({
			...{ model: MODEL, max_tokens: 60, stream: true, stream_options: { include_usage: true } },
			messages: [{ role: "user", content: `zwölf Mauthäuser – ${run.random.text(6)} [[simulate:${JSON.stringify({ outputTokens: 40, fault })}]]` }],
		});
		const [through, direct] = await Promise.all([
			readStream(`${stand.gateway(run.random.integer(0, 3)).url}/v1/chat/completions`, body, stand.ample.key),
			readStream(`${reference.url}/v1/chat/completions`, body, "sk-any"),
		]);
		expect(eventsOf(through), fault).toEqual(eventsOf(direct));
	}
}

async function readStream(url: string, body: string, key: string): Promise<string> {
	const response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body });
	const decoder = new TextDecoder();
	let text = "";
	try {
		for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true });
	} catch (error) {
		if (!(error instanceof TypeError)) throw error; // undici's word for a body whose connection broke
	}
	return text;
}

export const PROVIDER_FAULTS: readonly Fault[] = [
	{
		id: "F16",
		name: "a storm of 429, with and without Retry-After",
		async run(run) {
			const hasRetryAfter = run.seed % 2 === 1;
			const { stand, load, recoveryMs } = await misbehave(run, { "429": 0.7 }, hasRetryAfter ? { retryAfterSeconds: 1 } : {});
			expectEnds(load.records, [/^429 /]);
			const stormed = load.records.filter(({ status }) => status === 429).length;
			expect(stormed).toBeGreaterThan(10);
			// Each one was one attempt of its own, sent once: no hidden retry beside what callers asked for.
			const refusedByProvider = await statusCount(stand, 429);
			expect(refusedByProvider).toBeGreaterThanOrEqual(stormed);
			const { totalRequests, billedCalls } = await stand.base.provider.control("state");
			expect(totalRequests).toBe(Number(billedCalls) + refusedByProvider);
			const counts = await stand.finish(load.records);
			expect(await outcomesOf(stand)).toEqual({ settled: counts.admitted });
			return { counts, recoveryMs, note: hasRetryAfter ? "with Retry-After" : "without Retry-After" };
		},
	},
	{
		id: "F17",
		name: "the provider times out and bills all the same",
		isShort: true,
		async run(run) {
			const { stand, load, recoveryMs } = await misbehave(run, { hang: 0.2 }, { policy: { maxCallMs: 1_000 } });
			expectEnds(load.records, [/provider\.(timeout|cut)$/, BROKEN]);
			const hung = load.records.filter(({ status }) => status === 504).length;
			expect(hung).toBeGreaterThan(3);
			await until("the last call to end", async () => (await stand.base.provider.control("state"))["inFlight"] === 0);
			const before = await stand.base.verify();
			expect(before.report.unresolved).toBeGreaterThanOrEqual(hung); // charged at the reservation, until the log is read
			const counts = await stand.finish(load.records, { shouldResolve: true });
			expect(counts.unresolved).toBe(0);
			return { counts, recoveryMs, note: `${before.report.unresolved} charged at their reservation, then found in the provider's log` };
		},
	},
	{
		id: "F19",
		name: "usage missing, zero, negative, fractional, huge, of another model, or beyond the reservation",
		async run(run) {
			const rates = { missing_usage: 0.1, zero_usage: 0.1, negative_usage: 0.1, fractional_usage: 0.1, huge_usage: 0.1, wrong_model: 0.1 };
			const breaksPromise = (call: PlannedCall, random: FaultRun["random"]): PlannedCall =>
				random.share() < 0.03 ? { ...call, outputTokens: call.maxTokens * 3, directive: { ...call.directive, ignoreCap: true } } : call;
			const { stand, load, recoveryMs } = await misbehave(run, rates, { change: breaksPromise });
			// An overrun stops the team until a person clears it, also after the heal.
			expectEnds(load.records, [/^502 /, BROKEN], ["200", "402 budget.exceeded", "402 budget.overrun"]);
			const posted = await stand.sql<{ negative: number }>(
				"SELECT count(*)::int AS negative FROM tollgate.attempt WHERE cost_nano_usd < 0 OR overrun_nano_usd < 0",
			);
			expect(posted).toEqual([{ negative: 0 }]);
			const counts = await stand.finish(load.records, { shouldResolve: true });
			return { counts, recoveryMs, note: `outcomes before the log was read: ${JSON.stringify(await outcomesOf(stand))}` };
		},
	},
	{
		id: "F23",
		name: "streams cut, in pieces of one byte, with split characters, doubled, or without an end",
		async run(run) {
			const rates = Object.fromEntries(STREAM_FAULTS.map((fault) => [fault, 0.12]));
			const { stand, load, recoveryMs } = await misbehave(run, rates, { change: (call) => ({ ...call, isStream: true }) });
			expectEnds(load.records, [BROKEN, /^50[02] /]);
			await expectStreamTruth(run, stand);
			const counts = await stand.finish(load.records, { shouldResolve: true });
			return { counts, recoveryMs };
		},
	},
	{
		id: "F22",
		name: "callers leave before the headers, at the first chunk, in the middle and at the last",
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			const cancelling = await stand.base.team(1_000_000_000_000n, { onDisconnect: "cancel" });
			await load.beginFault(2 * LEASE_MS);
			const leaving = Array.from({ length: 48 }, (_, index) => {
				const team = index % 3 === 0 ? cancelling : stand.ample;
				const call = { ...planCall(team, run.random), isStream: true, maxTokens: 80, outputTokens: 60, directive: { tokensPerSecond: 300 } };
				return leave(stand, call, { gateway: index % 4, events: run.random.pick([0, 1, 20, 55]) });
			});
			await Promise.all(leaving);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			await until("the calls to be drained", async () => (await stand.base.provider.control("state"))["inFlight"] === 0);
			const unresolvedOfDrained = "SELECT attempt_id FROM tollgate.attempt WHERE team_id <> $1 AND outcome <> 'settled'";
			const counts = await stand.finish(load.records, { shouldResolve: true });
			expect(await stand.sql(unresolvedOfDrained, [cancelling.teamId]), "a call that was drained is settled with what the provider billed").toEqual([]);
			return { counts, recoveryMs: null };
		},
	},
];

/** Reads so many events of a stream, then breaks the connection. */
async function leave(stand: FaultStand, call: PlannedCall, { gateway, events }: { gateway: number; events: number }): Promise<void> {
	const leaving = new AbortController();
	const { url } = stand.gateway(gateway);
	const response = fetch(`${url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${call.key}`, "content-type": "application/json" },
		body: JSON.stringify({
			...{ model: MODEL, max_tokens: call.maxTokens, stream: true },
			messages: [{ role: "user", content: `leaving [[simulate:${JSON.stringify({ ...call.directive, outputTokens: call.outputTokens })}]]` }],
		}),
		signal: leaving.signal,
	});
	try {
		if (events === 0) {
			await until("the provider to have the call", async () => Number((await stand.base.provider.control("state"))["inFlight"]) > 0);
			leaving.abort();
		}
		let seen = 0;
		for await (const chunk of (await response).body ?? []) {
			seen +=
				Buffer.from(chunk as Uint8Array)
					.toString("latin1")
					.split("data: ").length - 1;
			if (seen >= events) leaving.abort();
		}
	} catch (error) {
		if (!leaving.signal.aborted) throw error;
	}
}
