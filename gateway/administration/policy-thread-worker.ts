import { parentPort, workerData } from "node:worker_threads";
import type { AskedOfThread, ThreadReply } from "#activities/policy/policy-thread.ts";
import { answerPolicyQuestion } from "#activities/policy/policy-work.ts";
import { createKeptPlaceProblem } from "#config/alert-secrets.ts";

/** Where Tollgate keeps what no channel may name. */
export type PolicyThreadData = { readonly home: string };

const keptPlaceProblem = createKeptPlaceProblem(workerData as PolicyThreadData);

/** The thread in which policies are read, compared and written; it may be ended at any moment. */
function reply({ id, question }: AskedOfThread): ThreadReply {
	try {
		return { id, answer: answerPolicyQuestion(question, keptPlaceProblem) };
	} catch (error) {
		return { id, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
	}
}

const port = parentPort;
port?.on("message", (asked: AskedOfThread) => port.postMessage(reply(asked)));
