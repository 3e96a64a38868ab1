import { createHash } from "node:crypto";
import { ApplicationFailure } from "@temporalio/common";
import { readJson } from "#domain/text/read-json.ts";
import type { AgentHold, RegisteredRun, RegisterRunInput, RunInput, RunSeen } from "#workflows/durable-agent/messages.ts";
import { Run } from "../run-contract.ts";
import { type TranscriptStore, writeOnce } from "../transcripts.ts";
import { parsePrompt, readText } from "./conversation.ts";
import { failureOf, type GatewayError, readGatewayError } from "./gateway-answers.ts";
import { keys } from "./keys.ts";
import type { GatewayAccess } from "./model-call.ts";

/** The run at the gateway: opened, looked at, finished. */

const HASH_CHARACTERS = 16;

/**
 * Writes down what the run is about, then opens it; a run of the same id that is open is taken up again.
 * @throws ApplicationFailure "run.invalid" where the run was begun with another prompt, or the gateway refuses it.
 */
export async function registerRun(access: GatewayAccess, store: TranscriptStore, input: RegisterRunInput, signal: AbortSignal): Promise<RegisteredRun> {
	const promptRef = await keepPrompt(store, input);
	const toolsText = JSON.stringify(input.tools.map(({ name, description, parameters }) => ({ name, description, parameters })));
	const toolsRef = keys.tools(input.runId, createHash("sha256").update(toolsText).digest("hex").slice(0, HASH_CHARACTERS));
	await writeOnce(store, toolsRef, toolsText);
	const body = {
		runId: input.runId,
		...(input.parentRunId === null ? {} : { parentRunId: input.parentRunId }),
		...(input.feature === null ? {} : { feature: input.feature }),
		...(input.limits === null ? {} : { limits: input.limits }),
	};
	await ask(access, { method: "POST", path: "", body }, signal);
	return { promptRef, toolsRef };
}

export async function readRun(access: GatewayAccess, { runId }: RunInput, signal: AbortSignal): Promise<RunSeen> {
	const { state, version, hold } = Run.parse(await ask(access, { method: "GET", path: `/${runId}` }, signal));
	return { state, version, hold: hold === null ? null : holdOf(hold) };
}

/** Finished before is finished. */
export async function finishRun(access: GatewayAccess, { runId }: RunInput, signal: AbortSignal): Promise<void> {
	try {
		await ask(access, { method: "POST", path: `/${runId}/finish`, body: {} }, signal);
	} catch (error) {
		if (!(error instanceof ApplicationFailure && error.type === "run.finished")) throw error;
	}
}

async function keepPrompt(store: TranscriptStore, { runId, prompt }: RegisterRunInput): Promise<string> {
	if ("ref" in prompt) {
		requirePrompt(await readText(store, prompt.ref), prompt.ref);
		return prompt.ref;
	}
	const key = keys.prompt(runId);
	const text = JSON.stringify({ ...(prompt.system === undefined ? {} : { system: prompt.system }), user: prompt.user });
	if ((await writeOnce(store, key, text)) !== text)
		throw invalid("prompt", `is not the one that the run ${runId} was begun with; a run id must be nobody else's`);
	return key;
}

function requirePrompt(text: string, ref: string): void {
	try {
		parsePrompt(text);
	} catch {
		throw invalid("prompt.ref", `names a text that is no prompt, {"system"?, "user"} as JSON: ${ref}`);
	}
}

/** As mistakes of the workflow's input: the problems are the failure's first detail. */
function invalid(field: string, problem: string): ApplicationFailure {
	return ApplicationFailure.nonRetryable(`${field} ${problem}`, "run.invalid", [{ field, problem }]);
}

function holdOf({ state, guard, evidence, measured, threshold, ofRunId, pauseId, askAgainMs }: NonNullable<Run["hold"]>): AgentHold {
	return { state, guard, evidence, measured, threshold, ofRunId, pauseId, askAgainMs };
}

type Asked = { readonly method: "GET" | "POST"; readonly path: string; readonly body?: unknown };

/** @throws ApplicationFailure of what the gateway answered, or that it did not. */
async function ask(access: GatewayAccess, { method, path, body }: Asked, signal: AbortSignal): Promise<unknown> {
	const hasBody = body !== undefined;
	const headers = { authorization: `Bearer ${access.key}`, ...(hasBody && { "content-type": "application/json" }) };
	const request = { method, headers, signal, ...(hasBody && { body: JSON.stringify(body) }) };
	let response: Response;
	let text: string;
	try {
		response = await fetch(`${access.baseUrl}/v1/runs${path}`, request);
		text = await response.text();
	} catch (error) {
		signal.throwIfAborted();
		throw failureOf(readGatewayError(error));
	}
	const answer = parseJson(text);
	if (response.ok && answer !== undefined) return answer;
	throw failureOf(errorOf(response, answer));
}

function errorOf({ status, headers }: Response, answer: unknown): GatewayError {
	const error = readGatewayError({ status, headers, error: answer });
	return { ...error, message: `the gateway answered ${status}` };
}

function parseJson(text: string): unknown {
	try {
		return readJson(text);
	} catch {
		return undefined; // something between us and the gateway answered
	}
}
