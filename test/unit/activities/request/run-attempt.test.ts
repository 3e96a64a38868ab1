import { beforeEach, describe, expect, test } from "vitest";
import type { AnswerListener, Deployment, ModelTransport, OpenCall } from "#activities/providers/port.ts";
import { NOTHING_TO_REDACT } from "#activities/providers/redaction.ts";
import type { Caller } from "#activities/request/caller.ts";
import { JournalTurn } from "#activities/request/journal-turn.ts";
import { Departure } from "#activities/request/leaving.ts";
import type { Attempt } from "#activities/request/port.ts";
import { runAttempt } from "#activities/request/run-attempt.ts";
import type { InspectedRequest } from "#domain/bound/request.ts";

/** The order of events that sockets cannot show: what is paused when, and what is booked before which byte. */

let events: string[];
let listener: AnswerListener | undefined;
let leaving: Departure;
let isFull: boolean;
let isSent: boolean;
let resume: () => void;
let journalFailure: Error | undefined;

beforeEach(() => {
	events = [];
	listener = undefined;
	leaving = new Departure();
	isFull = false;
	isSent = true;
	resume = () => undefined;
	journalFailure = undefined;
});

const journalTurn = new JournalTurn({
	together(work) {
		work();
		if (journalFailure !== undefined) throw journalFailure;
		events.push("journaled");
	},
});

const openCall: OpenCall = {
	get isSent() {
		return isSent;
	},
	abort() {
		events.push("abort");
		listener?.onFailure({ kind: "aborted", isSent, message: "aborted" });
	},
	pause: () => void events.push("pause"),
	resume: () => void events.push("resume"),
};
const transport: ModelTransport = {
	send(_call, given) {
		listener = given;
		return openCall;
	},
	redactionFor: () => NOTHING_TO_REDACT,
	close: () => Promise.resolve(),
};
const attempt: Attempt = {
	attemptId: "g1-1-1",
	reservedNanoUsd: 100n,
	clampedOutputTokens: undefined,
	budgetLeftNanoUsd: 5n,
	tokensBooked: undefined,
	settle(input) {
		events.push(`settle ${input.reported.kind}`);
		return { outcome: "settled", costNanoUsd: 7n };
	},
	release: (reason) => void events.push(`release ${reason}`),
	charge(reason) {
		events.push(`charge ${reason}`);
		return { outcome: "unresolved", costNanoUsd: 100n };
	},
	estimate(input) {
		events.push(`estimate ${input.reason}`);
		return { outcome: "estimated", costNanoUsd: 50n };
	},
};

function run(onDisconnect: "drain" | "cancel" = "drain") {
	const caller: Caller = {
		leaving,
		answer: (head, body, cost) => void events.push(`answer ${head.status} ${body.toString()} ${cost}`),
		beginStream: (head) => void events.push(`begin ${head.status}`),
		write(chunk) {
			events.push(`write ${chunk.toString().trim()}`);
			return !isFull;
		},
		whenWritable(given) {
			resume = given;
		},
		endStream: () => void events.push("end"),
		cutStream: () => void events.push("cut"),
	};
	const request = { endpoint: "messages", isStream: true } as InspectedRequest;
	const deployment = { name: "a/b", model: "b", billedStatuses: [] } as unknown as Deployment;
	const plan = {
		attempt,
		request,
		deployment,
		body: Buffer.alloc(0),
		hasAddedStreamUsage: false,
		forwardedHeaders: [],
		onDisconnect,
		boundInputTokens: 10,
		isReasoning: false,
		maxCallMs: 1_000,
		answerBytesMax: 1_000,
	};
	const ended = runAttempt(plan, {
		transport,
		caller,
		journalTurn,
		nowMs: () => 0,
		crashPoint: (name) => void events.push(`(${name})`),
	});
	if (listener === undefined && !leaving.hasLeft) throw new Error("nothing was sent");
	return { ended, listener: listener as unknown as AnswerListener };
}

const STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';

function beginStream(to: AnswerListener): void {
	to.onStart(200, { "content-type": "text/event-stream" });
}

describe("a stream", () => {
	test("a full caller pauses the provider until he has drained", async () => {
		const { ended, listener: to } = run();
		beginStream(to);
		isFull = true;
		to.onData(Buffer.from("data: a\n\n"));
		expect(events).toEqual(["begin 200", "write data: a", "pause"]);
		resume();
		expect(events.at(-1)).toBe("resume");
		isFull = false;
		to.onData(Buffer.from(STOP));
		to.onEnd();
		await ended;
		expect(events.slice(4)).toEqual(["(after-answer)", "settle unusable", "(after-settle)", `write ${STOP.trim()}`, "end"]);
	});

	test("is booked once although the connection breaks after its last event", async () => {
		const { ended, listener: to } = run();
		beginStream(to);
		to.onData(Buffer.from(STOP));
		to.onFailure({ kind: "cut", isSent: true, message: "reset" });
		await ended;
		expect(events.filter((event) => /^(settle|charge|release)/.test(event))).toEqual(["settle unusable"]);
		expect(events.at(-1)).toBe("end");
	});

	test("a caller who leaves while the provider is paused sets it going again", async () => {
		const { ended, listener: to } = run();
		beginStream(to);
		isFull = true;
		to.onData(Buffer.from("data: a\n\n"));
		leaving.leave();
		expect(events.at(-1)).toBe("resume");
		to.onData(Buffer.from(STOP));
		to.onEnd();
		expect(await ended).toEqual({ kind: "answered" });
		expect(events.filter((event) => event.startsWith("write"))).toHaveLength(1);
		expect(events.slice(-2)).toEqual(["settle unusable", "(after-settle)"]);
	});

	test("after the last event a caller who leaves closes the provider's connection: nothing is left to learn", async () => {
		const { ended, listener: to } = run();
		beginStream(to);
		to.onData(Buffer.from(STOP));
		leaving.leave();
		await ended;
		expect(events.at(-1)).toBe("abort");
		expect(events.filter((event) => /^(settle|charge)/.test(event))).toHaveLength(1);
	});
});

describe("a whole answer", () => {
	const answerWhole = (to: AnswerListener): void => {
		to.onStart(200, { "content-type": "application/json" });
		to.onData(Buffer.from("{}"));
		to.onEnd();
	};

	test("leaves when its ending is journaled, with the endings of other calls of that turn", async () => {
		const [first, second] = [run(), run()];
		answerWhole(first.listener);
		answerWhole(second.listener);
		expect(events).toEqual([]);
		expect(await Promise.all([first.ended, second.ended])).toEqual([{ kind: "answered" }, { kind: "answered" }]);
		const [booked, sent] = [
			["(after-answer)", "settle unusable"],
			["(after-settle)", "answer 200 {} 7"],
		];
		expect(events).toEqual([...booked, ...booked, "journaled", ...sent, ...sent]);
	});

	test("whose ending cannot be journaled does not leave", async () => {
		journalFailure = new Error("the disk is full");
		const { ended, listener: to } = run();
		answerWhole(to);
		await expect(ended).rejects.toThrow("the disk is full");
		expect(events).toEqual(["(after-answer)", "settle unusable"]);
	});
});

describe("a caller who leaves early", () => {
	test("before sending: released without a call", async () => {
		leaving.leave();
		expect(await run().ended).toEqual({ kind: "not_sent", hasCallerLeft: true });
		expect(events).toEqual(["release caller_left"]);
	});

	test("while the call is queued unsent: taken back and released", async () => {
		isSent = false;
		const { ended } = run();
		leaving.leave();
		expect(await ended).toEqual({ kind: "not_sent", hasCallerLeft: true });
		expect(events).toEqual(["resume", "abort", "release caller_left"]);
	});
});

test("a transport that cannot take the call leaves nothing reserved", async () => {
	const send = transport.send;
	(transport as { send: ModelTransport["send"] }).send = () => {
		throw new Error("invalid header");
	};
	leaving = new Departure();
	await expect(
		(async () => {
			listener = {} as AnswerListener;
			await run().ended;
		})(),
	).rejects.toThrow("invalid header");
	(transport as { send: ModelTransport["send"] }).send = send;
	expect(events).toEqual(["release not_sendable"]);
});
