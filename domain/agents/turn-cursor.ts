import type { Endpoint } from "../bound/request.ts";
import { turnKey, turnKeyOf } from "./exchanges.ts";
import { toWord } from "./loop-memory.ts";
import { readTurnCalls, readTurns, resultIdsAt, type Turn, type TurnRange } from "./read-turn.ts";
import { hashToken, mixHash } from "./token-scanner.ts";
import { type Fields, fieldsOf, listOf, textOf } from "./wire-text.ts";

/**
 * How far the conversations of a run have been read: for each of the last four, newest first, what it begins with, how many messages it had
 * and which turn it ended with. So a turn that is sent again is not counted again, and whoever is behind finds the turns he missed in the
 * body. Four places of four words: conversation (0 = free), messages in two, key of the turn.
 */
export type TurnCursors = Uint16Array;

const CURSORS = 4;
const WORDS = 4;
export const CURSOR_WORDS = CURSORS * WORDS;
const KEY_AT = 3;

export function createTurnCursors(): TurnCursors {
	return new Uint16Array(CURSOR_WORDS);
}

/** What is read of a call; `conversation` is its parsed body. */
export type Said = { readonly endpoint: Endpoint; readonly conversation: unknown; readonly agent: string };

/** Turns of a body that was not read yet, or not up to there. */
export type NewTurns = {
	readonly conversation: number;
	/** The provider keeps the conversation: a body holds what is new, and numbers of messages say nothing. */
	readonly isKept: boolean;
	/** Oldest first; none where all of the body was seen. */
	readonly turns: readonly Turn[];
	/** Place of the cursor that the body goes on from; −1 = none. */
	readonly place: number;
};

const ONLY_LAST = 1;

/** Read from the body when somebody asks for them: which calls they answer is known for much less. */
export class TurnsOfBody implements NewTurns {
	readonly conversation: number;
	readonly isKept: boolean;
	readonly place: number;
	/** Of each turn the ids of the calls that its results answer, oldest first. */
	readonly callIds: readonly (readonly string[])[];
	readonly #said: Said;
	readonly #range: TurnRange;
	#turns: readonly Turn[] | undefined;

	constructor(said: Said, range: TurnRange, at: Pick<NewTurns, "conversation" | "isKept" | "place">) {
		this.conversation = at.conversation;
		this.isKept = at.isKept;
		this.place = at.place;
		this.callIds = readTurnCalls(said.endpoint, said.conversation, range);
		this.#said = said;
		this.#range = range;
	}

	get turns(): readonly Turn[] {
		this.#turns ??= readTurns(this.#said.endpoint, this.#said.conversation, this.#range);
		return this.#turns;
	}
}

/**
 * What of a body was not read yet: the turns after the one it goes on from. Where it goes on from none, because somebody rewrote it or began
 * another conversation, its last turn alone, since the others may have been counted under their old form; all of them where nothing of the
 * run was read so far.
 */
export function turnsSince(cursors: TurnCursors, said: Said): TurnsOfBody {
	const body = fieldsOf(said.conversation);
	const isKept = said.endpoint === "responses" && (textOf(body?.["previous_response_id"]) !== "" || (body?.["conversation"] ?? null) !== null);
	const conversation = conversationOf(said, body, isKept);
	let place = -1;
	let messages = 0;
	for (let cursor = 0; cursor < CURSORS; cursor += 1) {
		const at = cursor * WORDS;
		const seen = messagesAt(cursors, at);
		if (cursors[at] !== conversation || seen <= messages) continue;
		const ids = resultIdsAt(said.endpoint, said.conversation, seen);
		if (ids === undefined || keyWord(turnKeyOf(ids, seen)) !== cursors[at + KEY_AT]) continue;
		place = cursor;
		messages = seen;
	}
	const most = place >= 0 || isKept || isUnread(cursors) ? undefined : ONLY_LAST;
	return new TurnsOfBody(said, { afterMessages: messages, most }, { conversation, isKept, place });
}

/** From now on they are read: those that were taken, by default all of them. */
export function advance(cursors: TurnCursors, read: NewTurns, taken: readonly Turn[] = read.turns): void {
	const last = taken.at(-1);
	if (last === undefined) return;
	cursors.copyWithin(WORDS, 0, (read.place >= 0 ? read.place : CURSORS - 1) * WORDS);
	cursors[0] = read.conversation;
	cursors[1] = Math.floor(last.messages / 0x10000);
	cursors[2] = last.messages % 0x10000;
	cursors[KEY_AT] = keyWord(turnKey(last));
}

/** Those of turns read by others that these cursors have not seen, as a body would have shown them. */
export function turnsBeyond(cursors: TurnCursors, read: NewTurns): NewTurns {
	const { conversation, isKept, turns } = read;
	if (isUnread(cursors)) return { conversation, isKept, turns, place: -1 };
	let place = -1;
	let seen = -1;
	let isKnown = false;
	const keys = new Set<number>();
	const lastMessages = turns.at(-1)?.messages ?? 0;
	for (let cursor = 0; cursor < CURSORS; cursor += 1) {
		const at = cursor * WORDS;
		if (cursors[at] !== conversation) continue;
		isKnown = true;
		const messages = messagesAt(cursors, at);
		keys.add(cursors[at + KEY_AT] ?? 0);
		if (messages > lastMessages || messages <= seen) continue;
		place = cursor;
		seen = messages;
	}
	const isNew = (turn: Turn): boolean => (!isKept && turn.messages > seen) || ((isKept || turn.messages === seen) && !keys.has(keyWord(turnKey(turn))));
	const beyond = isKept || place >= 0 ? turns.filter(isNew) : isKnown ? [] : turns.slice(-ONLY_LAST);
	return { conversation, isKept, turns: beyond, place: isKept ? -1 : place };
}

/** Nothing of the run was read so far. */
export function isUnread(cursors: TurnCursors): boolean {
	return cursors[0] === 0;
}

function messagesAt(cursors: TurnCursors, at: number): number {
	return (cursors[at + 1] ?? 0) * 0x10000 + (cursors[at + 2] ?? 0);
}

function keyWord(key: number): number {
	return toWord(key);
}

/** Characters of the first message that are looked at, from its beginning and from its end. */
const SAMPLE_CHARS = 48;
const MESSAGES_LOOKED_AT = 16;
const KEPT = 7;

/** How a conversation begins: with the first message of the user, and who acts. What the system says may hold the time of day. */
function conversationOf({ endpoint, agent }: Said, body: Fields | undefined, isKept: boolean): number {
	const hash = hashToken(agent);
	return toWord(mixHash(hash, isKept ? KEPT : sampleOf(firstText(endpoint === "responses" ? body?.["input"] : body?.["messages"]))));
}

function firstText(said: unknown): string {
	if (typeof said === "string") return said;
	const messages = listOf(said);
	for (let at = 0; at < messages.length && at < MESSAGES_LOOKED_AT; at += 1) {
		const message = fieldsOf(messages[at]);
		if (message?.["role"] !== "user") continue;
		const { content } = message;
		return typeof content === "string" ? content : textOf(fieldsOf(listOf(content)[0])?.["text"]);
	}
	return "";
}

function sampleOf(text: string): number {
	let hash = mixHash(1, text.length);
	const tailFrom = Math.max(SAMPLE_CHARS, text.length - SAMPLE_CHARS);
	for (let at = 0; at < text.length && at < SAMPLE_CHARS; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
	for (let at = tailFrom; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
	return hash >>> 0;
}
