import { expect, test } from "vitest";
import { answerOf, ownErrorOf, unansweredOf } from "#domain/batching/item-answer.ts";

const parsed = ({ httpStatus, body }: { readonly httpStatus: number; readonly body: string }) => ({ httpStatus, body: JSON.parse(body) as object });

test("what the provider answered stands byte by byte, errors too", () => {
	const body = '{ "b": 1.0,\n"error": {"message": "é"} }';
	for (const protocol of ["openai", "anthropic"] as const) {
		expect(answerOf({ kind: "succeeded", httpStatus: 201, requestId: "r", body }, protocol)).toEqual({ httpStatus: 201, body });
		expect(answerOf({ kind: "errored", httpStatus: 429, requestId: "r", body }, protocol)).toEqual({ httpStatus: 429, body });
	}
});

test("an error that stands alone gets what an endpoint puts around it", () => {
	const error = { kind: "errored", httpStatus: 400, requestId: "req-1", body: '{"message":"no"}' } as const;
	expect(parsed(answerOf(error, "openai"))).toEqual({ httpStatus: 400, body: { error: { message: "no" } } });
	expect(parsed(answerOf(error, "anthropic"))).toEqual({ httpStatus: 400, body: { type: "error", request_id: "req-1", error: { message: "no" } } });
	expect(parsed(answerOf({ ...error, body: "<html>" }, "openai")).body).toEqual({ error: { message: "<html>" } });
});

test("what nobody answered says why, with a status of its own, in the shape of the protocol", () => {
	const message = expect.stringMatching(/request/);
	expect(parsed(unansweredOf("expired", "openai"))).toEqual({
		httpStatus: 504,
		body: { error: { message, type: "server_error", param: null, code: "deferred.expired" } },
	});
	expect(parsed(unansweredOf("cancelled", "openai")).body).toEqual({ error: { message, type: "conflict_error", param: null, code: "deferred.cancelled" } });
	expect(parsed(unansweredOf("expired", "anthropic"))).toEqual({ httpStatus: 504, body: { type: "error", error: { type: "timeout_error", message } } });
	expect(unansweredOf("cancelled", "anthropic").httpStatus).toBe(409);
	for (const outcome of ["errored", "succeeded"] as const) {
		expect(parsed(unansweredOf(outcome, "openai")).body).toMatchObject({ error: { code: "deferred.lost", type: "server_error" } });
		expect(parsed(unansweredOf(outcome, "anthropic"))).toMatchObject({ httpStatus: 502, body: { error: { type: "api_error" } } });
	}
	expect(answerOf({ kind: "expired" }, "openai")).toEqual(unansweredOf("expired", "openai"));
	const tooLarge = { httpStatus: 413, code: "deferred.unsendable", message: "too large" } as const;
	expect(parsed(ownErrorOf(tooLarge, "anthropic")).body).toMatchObject({ error: { type: "request_too_large", message: "too large" } });
});
