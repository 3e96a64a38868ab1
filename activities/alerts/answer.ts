import { shortened } from "#domain/alerts/render.ts";
import { isFinalStatus, readRetryAfterMs, type SendOutcome } from "#domain/alerts/retry.ts";
import { AddressRefused, type HttpAnswer, type HttpClient, type HttpPost, NoAnswer, SecretUnavailable } from "./port.ts";

const SAID_LENGTH_MAX = 300;

/**
 * One POST judged: a 2xx is delivered, what says never is final, everything else is tried again. `secrets` never stand in what is
 * kept of the answer, whatever the receiver repeats.
 */
export async function postAlert(http: HttpClient, prepare: () => { readonly post: HttpPost; readonly secrets: readonly string[] }): Promise<SendOutcome> {
	try {
		const { post, secrets } = prepare();
		return judge(await http.post(post), secrets);
	} catch (error) {
		if (error instanceof SecretUnavailable) return { kind: "failed", said: error.message, isFinal: false, mayHaveArrived: false, pauseMs: 0 };
		if (error instanceof AddressRefused) return { kind: "failed", said: error.message, isFinal: true, mayHaveArrived: false, pauseMs: 0 };
		if (error instanceof NoAnswer) return { kind: "failed", said: error.message, isFinal: false, mayHaveArrived: error.mayHaveArrived, pauseMs: 0 };
		throw error;
	}
}

function judge(answer: HttpAnswer, secrets: readonly string[]): SendOutcome {
	const said = `${answer.status}${saidIn(answer.body, secrets)}`;
	if (answer.status >= 200 && answer.status < 300) return { kind: "delivered", said };
	const isFinal = isFinalStatus(answer.status);
	const pauseMs = readRetryAfterMs(answer.headers["retry-after"], Date.now(), Date.parse);
	const redirect = answer.status < 400 ? "; redirects are not followed" : "";
	// A 5xx says that something went wrong, not that nothing was done; any other refusal says so.
	return { kind: "failed", said: `${said}${redirect}`, isFinal, mayHaveArrived: answer.status >= 500, pauseMs };
}

function saidIn(body: string, secrets: readonly string[]): string {
	const shown = secrets
		.flatMap((secret) => [secret, encodeURIComponent(secret)])
		.filter((secret) => secret !== "")
		.reduce((text, secret) => text.replaceAll(secret, "[redacted]"), body)
		.replaceAll(/[\p{Cc}\p{Cs}]+/gu, " ")
		.trim();
	return shown === "" ? "" : ` ${shortened(shown, SAID_LENGTH_MAX)}`;
}
