import { expect, test } from "vitest";
import { readJsonBody } from "#gateway/routes/json-body.ts";
import { lured } from "#test/support/lure.ts";

test("a field in escapes has the name it says, whatever the runtime's parser takes it for", () => {
	const body = lured((key) => `{"runId":"r","limits":{"steps":9,"${key}":"5"}}`, "\\u0063ostNanoUsd");
	expect(readJsonBody({ headers: {}, body: Buffer.from(body) })).toEqual({ kind: "read", value: { runId: "r", limits: { steps: 9, costNanoUsd: "5" } } });
});
