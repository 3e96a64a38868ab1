import { describe, expect, test } from "vitest";
import { advance, createTurnCursors, type Said, type TurnCursors, turnsBeyond, turnsSince } from "#domain/agents/turn-cursor.ts";
import { Conversation, type ConversationEndpoint } from "#test/agents/conversation.ts";

const ENDPOINTS: readonly ConversationEndpoint[] = ["chat.completions", "messages", "responses"];

/** A body after so many steps. */
function bodyAfter(endpoint: ConversationEndpoint, steps: number, task = "find it"): unknown {
	const conversation = new Conversation(endpoint, task);
	for (let step = 1; step <= steps; step += 1)
		conversation.add({ tool: "search", args: { q: step }, observation: `result ${step}`, isError: false, costNanoUsd: "0", tokens: 0 });
	return structuredClone(conversation.body);
}

/** What is new in a body, taken in. */
function read(cursors: TurnCursors, said: Omit<Said, "agent"> & { readonly agent?: string }): readonly string[] {
	const since = turnsSince(cursors, { agent: "", ...said });
	expect(since.callIds).toEqual(since.turns.map(({ results }) => results.map(({ callId }) => callId)));
	advance(cursors, since);
	return since.turns.flatMap(({ results }) => results.map(({ observation }) => observation));
}

describe.each(ENDPOINTS)("a conversation over %s", (endpoint) => {
	const said = (steps: number, task?: string): Omit<Said, "agent"> => ({ endpoint, conversation: bodyAfter(endpoint, steps, task) });

	test("is read step by step, each turn once", () => {
		const cursors = createTurnCursors();
		expect(read(cursors, said(0))).toEqual([]);
		expect(read(cursors, said(1))).toEqual(["result 1"]);
		expect(read(cursors, said(2))).toEqual(["result 2"]);
	});

	test("that is sent again says nothing new", () => {
		const cursors = createTurnCursors();
		read(cursors, said(3));
		for (let time = 0; time < 20; time += 1) expect(read(cursors, said(3))).toEqual([]);
		expect(read(cursors, said(4))).toEqual(["result 4"]);
	});

	test("shows what was missed, oldest first, at most 64 turns", () => {
		const cursors = createTurnCursors();
		read(cursors, said(2));
		expect(read(cursors, said(5))).toEqual(["result 3", "result 4", "result 5"]);
		const missed = read(cursors, said(205));
		expect(missed).toHaveLength(64);
		expect([missed[0], missed.at(-1)]).toEqual(["result 142", "result 205"]);
		expect(read(cursors, said(206))).toEqual(["result 206"]);
	});

	test("of which nothing was read so far is read whole", () => {
		expect(read(createTurnCursors(), said(3))).toEqual(["result 1", "result 2", "result 3"]);
	});

	test("beside another one in the same run keeps its own place", () => {
		const cursors = createTurnCursors();
		read(cursors, said(2, "one task"));
		expect(read(cursors, said(1, "another task"))).toEqual(["result 1"]);
		expect(read(cursors, said(3, "one task"))).toEqual(["result 3"]);
		expect(read(cursors, said(2, "another task"))).toEqual(["result 2"]);
		expect(read(cursors, said(3, "one task"))).toEqual([]);
	});

	test("of another agent is another one", () => {
		const cursors = createTurnCursors();
		read(cursors, { ...said(2), agent: "planner" });
		expect(read(cursors, { ...said(2), agent: "critic" })).toEqual(["result 2"]);
	});

	test("that goes on from an earlier point is read from there, and so is the one it left", () => {
		const cursors = createTurnCursors();
		read(cursors, said(5));
		expect(read(cursors, said(3))).toEqual(["result 3"]);
		expect(read(cursors, said(5))).toEqual([]);
		expect(read(cursors, said(3))).toEqual([]);
		expect(read(cursors, said(6))).toEqual(["result 6"]);
	});
});

describe("a conversation that is rewritten", () => {
	type Message = { readonly role: string; readonly content?: unknown; readonly tool_call_id?: string; readonly tool_calls?: unknown };
	const step = (id: string): Message[] => [
		{ role: "assistant", tool_calls: [{ id, type: "function", function: { name: "search", arguments: "{}" } }] },
		{ role: "tool", tool_call_id: id, content: `result ${id}` },
	];
	const said = (messages: readonly Message[]): Omit<Said, "agent"> => ({ endpoint: "chat.completions", conversation: { messages } });
	const user: Message = { role: "user", content: "find it" };

	test("has its results shortened: they are the same turns", () => {
		const cursors = createTurnCursors();
		read(cursors, said([user, ...step("a"), ...step("b")]));
		const shortened = [user, ...step("a"), ...step("b")].map((message) => (message.role === "tool" ? { ...message, content: "[cleared]" } : message));
		expect(read(cursors, said([...shortened, ...step("c")]))).toEqual(["result c"]);
	});

	test("is compacted: its last turn alone is new", () => {
		const cursors = createTurnCursors();
		read(cursors, said([user, ...step("a"), ...step("b"), ...step("c")]));
		expect(read(cursors, said([{ role: "user", content: "a summary of it" }, ...step("c"), ...step("d")]))).toEqual(["result d"]);
		expect(read(cursors, said([{ role: "user", content: "a summary of it" }, ...step("c"), ...step("d"), ...step("e")]))).toEqual(["result e"]);
	});

	test("is summarised anew with every step: the last turn is read each time", () => {
		const cursors = createTurnCursors();
		for (const id of ["a", "b", "c", "d", "e", "f"])
			expect(read(cursors, said([{ role: "user", content: `summary before ${id}` }, ...step(id)]))).toEqual([`result ${id}`]);
	});

	test("has a remark put behind a result that was read: the result is not new", () => {
		const cursors = createTurnCursors();
		read(cursors, said([user, ...step("a")]));
		expect(read(cursors, said([user, ...step("a"), { role: "user", content: "hurry" }, ...step("b")]))).toEqual(["result b"]);
	});

	test("ends with words put into the model's mouth: the results before them are read", () => {
		const cursors = createTurnCursors();
		expect(read(cursors, said([user, ...step("a"), { role: "assistant", content: "So far: " }]))).toEqual(["result a"]);
		expect(read(cursors, said([user, ...step("a"), { role: "assistant", content: "So far: " }]))).toEqual([]);
	});

	test("samples several answers to one question: each is read", () => {
		const cursors = createTurnCursors();
		read(cursors, said([user, ...step("a")]));
		expect(read(cursors, said([user, ...step("b")]))).toEqual(["result b"]);
		expect(read(cursors, said([user, ...step("a")]))).toEqual([]);
	});
});

describe("a conversation that the provider keeps", () => {
	const said = (id: string): Omit<Said, "agent"> => ({
		endpoint: "responses",
		conversation: { previous_response_id: `resp_${id}`, input: [{ type: "function_call_output", call_id: id, output: `result ${id}` }] },
	});

	test("is read body by body, each once", () => {
		const cursors = createTurnCursors();
		for (const id of ["a", "b", "c", "d", "e", "f"]) {
			expect(read(cursors, said(id))).toEqual([`result ${id}`]);
			expect(read(cursors, said(id))).toEqual([]);
		}
	});

	test("is read on by whoever has seen less of it", () => {
		const [mine, others] = [createTurnCursors(), createTurnCursors()];
		for (const id of ["a", "b"]) read(others, said(id));
		const since = turnsSince(mine, { agent: "", ...said("c") });
		expect(turnsBeyond(others, since).turns).toHaveLength(1);
		advance(others, turnsBeyond(others, since));
		expect(turnsBeyond(others, since).turns).toHaveLength(0);
	});
});

describe("turns that were read here", () => {
	const said = (steps: number): Said => ({ endpoint: "messages", conversation: bodyAfter("messages", steps), agent: "" });

	test("are new to other cursors from where those stand", () => {
		const [mine, others] = [createTurnCursors(), createTurnCursors()];
		advance(mine, turnsSince(mine, said(2)));
		advance(others, turnsSince(others, said(5)));
		const since = turnsSince(mine, said(6));
		expect(since.turns).toHaveLength(4);
		const beyond = turnsBeyond(others, since);
		expect(beyond.turns.map(({ results }) => results[0]?.observation)).toEqual(["result 6"]);
		advance(others, beyond);
		expect(turnsBeyond(others, since).turns).toEqual([]);
		expect(turnsSince(others, said(7)).turns).toHaveLength(1);
	});

	test("are not when those have gone on; the last alone is where they know nothing of the conversation, and all of them where they know nothing", () => {
		const [mine, others] = [createTurnCursors(), createTurnCursors()];
		const since = turnsSince(mine, said(3));
		expect(turnsBeyond(others, since).turns).toHaveLength(3);
		advance(others, turnsSince(others, { ...said(3), agent: "another" }));
		expect(turnsBeyond(others, since).turns).toHaveLength(1);
		advance(others, turnsSince(others, said(8)));
		expect(turnsBeyond(others, since).turns).toEqual([]);
	});
});
