import { parentPort } from "node:worker_threads";
import type { AskedOfThread, ThreadReply } from "./policy-thread.ts";
import { answerPolicyQuestion } from "./policy-work.ts";

/** The thread in which policies are read, compared and written; it may be ended at any moment. */
function reply({ id, question }: AskedOfThread): ThreadReply {
	try {
		return { id, answer: answerPolicyQuestion(question) };
	} catch (error) {
		return { id, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
	}
}

const port = parentPort;
port?.on("message", (asked: AskedOfThread) => port.postMessage(reply(asked)));
