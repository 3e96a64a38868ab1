import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { EnteredStep } from "#activities/runs/entered-step.ts";
import { LateReading } from "#activities/runs/late-reading.ts";
import type { LiveRun } from "#activities/runs/live-run.ts";
import { Conversation } from "#test/agents/conversation.ts";
import { GuardStand, type StandGateway } from "#test/support/guard-stand.ts";

/** Runs whose memory is read up when it is asked for. */
function runs(...unread: readonly boolean[]): { readonly lives: readonly LiveRun[]; readonly reads: () => number } {
	let reads = 0;
	const lives = unread.map((hasUnread) => {
		const live = {
			hasUnread,
			get memory() {
				reads += 1;
				live.hasUnread = false;
				return undefined;
			},
		};
		return live as unknown as LiveRun;
	});
	return { lives, reads: () => reads };
}

test("is done in the third turn of the event loop at the latest, once, and not where the memory was asked for before", async () => {
	const { lives, reads } = runs(true, false, true);
	const late = new LateReading();
	for (const live of lives) late.add(live);
	await nextTurn();
	await nextTurn();
	expect(reads()).toBe(0);
	await nextTurn();
	expect(reads()).toBe(2);
	await nextTurn();
	expect(reads()).toBe(2);
});

test("is done of runs that come after others were read", async () => {
	const late = new LateReading();
	for (let round = 0; round < 2; round += 1) {
		const { lives, reads } = runs(true, true);
		for (const live of lives) late.add(live);
		for (let turn = 0; turn < 3; turn += 1) await nextTurn();
		expect(reads()).toBe(2);
	}
});

test("is done as soon as the request is written and whoever has written it is done, and not again", async () => {
	const { lives, reads } = runs(true, true);
	const [first = expect.fail("a run")] = lives;
	const late = new LateReading();
	for (const live of lives) late.add(live);
	late.sent(first);
	expect(reads()).toBe(0);
	await Promise.resolve();
	expect(reads()).toBe(1);
	late.sent(first);
	await nextTurn();
	expect(reads()).toBe(1);
	await nextTurn();
	await nextTurn();
	expect(reads()).toBe(2);
});

describe("of a step", () => {
	let gateway: StandGateway;
	let conversation: Conversation;
	let steps: number;

	beforeEach(() => {
		gateway = new GuardStand().first;
		conversation = new Conversation("chat.completions", "go");
		steps = 0;
	});

	async function enter(): Promise<LiveRun> {
		const step = await gateway.step({ conversation: conversation.body });
		const { live } = step as EnteredStep;
		const { hasUnread } = live;
		steps += 1;
		gateway.answer(step, { calls: [{ callId: `call_${steps}`, tool: "search", argsText: '{"q":1}' }] });
		conversation.add({ tool: "search", args: { q: 1 }, observation: "nothing", isError: false, costNanoUsd: "0", tokens: 0 });
		return { hasUnread } as LiveRun;
	}

	test("what cannot stop the run is read after its call has left; from the first warning on, before", async () => {
		const wasPutOff: boolean[] = [];
		for (let call = 1; call <= 8; call += 1) wasPutOff.push((await enter()).hasUnread);
		// The first body holds nothing yet; the fifth shows the fourth repeat, of which a guard warns.
		expect(wasPutOff).toEqual([false, true, true, true, true, false, false, false]);
	});

	test("a warning of it stands in the answer to the same call", async () => {
		for (let call = 1; call <= 4; call += 1) await enter();
		const step = await gateway.step({ conversation: conversation.body });
		expect((step as EnteredStep).live.hasUnread).toBe(true);
		expect(step.warnings).toEqual(["loop.repetition"]);
	});

	test("of what is put off only which calls it answers is read before its call has left", async () => {
		await enter();
		const body = structuredClone(conversation.body) as { readonly messages: readonly object[] };
		let looks = 0;
		const content = () => {
			looks += 1;
			return "nothing";
		};
		Object.defineProperty(body.messages.at(-1) ?? expect.fail("a result"), "content", { get: content });
		const { live } = (await gateway.step({ conversation: body })) as EnteredStep;
		expect([live.hasUnread, looks]).toEqual([true, 0]);
		expect([live.memory.lastExchangeAtMs > 0, looks > 0]).toEqual([true, true]);
	});

	test("what is put off is read when its request is written", async () => {
		await enter();
		const step = await gateway.step({ conversation: conversation.body });
		step.sent();
		await Promise.resolve();
		expect((step as EnteredStep).live.hasUnread).toBe(false);
	});

	test("results of a step that nobody here served are not put off", async () => {
		await enter();
		const others = new Conversation("chat.completions", "go");
		others.add({ tool: "search", args: { q: 1 }, observation: "nothing", isError: false, costNanoUsd: "0", tokens: 0 });
		others.add({ tool: "fetch", args: { q: 2 }, observation: "something", isError: false, costNanoUsd: "0", tokens: 0 });
		const { live } = (await gateway.step({ conversation: others.body })) as EnteredStep;
		expect([live.hasUnread, live.pending !== undefined]).toEqual([false, true]);
	});
});
