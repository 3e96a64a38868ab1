import { expect, test } from "vitest";
import { type BodiesToWrite, type UnsendableItem, writeBodies } from "#activities/batches/lines/write-bodies.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const PART = { protocol: "openai", endpoint: "chat.completions", batchNumber: "7", items: 9, deploymentModel: "gpt-real", lineBytesMax: 200 } as const;

async function written(bodies: Readonly<Record<string, string | Error>>, part: Partial<BodiesToWrite> = {}) {
	const unsendable: UnsendableItem[] = [];
	const tries = Object.keys(bodies).map((bodyBlobKey, index) => ({ n: index + 1, tryNumber: 1, bodyBlobKey, bytes: 10 }));
	const openBody = async function* (key: string): AsyncGenerator<Uint8Array> {
		const body = bodies[key];
		if (body instanceof Error) throw body;
		// In pieces that end within a character.
		const bytes = Buffer.from(body ?? "");
		yield bytes.subarray(0, 3);
		yield bytes.subarray(3);
	};
	const pieces: Buffer[] = [];
	for await (const piece of writeBodies({ ...PART, tries, openBody, ...part }, (item) => unsendable.push(item))) pieces.push(piece);
	return { text: Buffer.concat(pieces).toString("utf8"), unsendable };
}

test("a body stands in its line as it was handed in, but for the model and what would end the line", async () => {
	const { text, unsendable } = await written({ a: '{"x":"é\\n","model":"asked"}', b: '\r\n{"model":"gpt-real",\n\t"x":1}\n' });
	expect(text).toBe(
		[
			'{"custom_id":"batch7-1-1","method":"POST","url":"/v1/chat/completions","body":{"x":"é\\n","model":"gpt-real"}}\n',
			'{"custom_id":"batch7-1-2","method":"POST","url":"/v1/chat/completions","body":  {"model":"gpt-real", \t"x":1} }\n',
		].join(""),
	);
	expect(unsendable).toEqual([]);
});

test("an item whose body is gone, damaged, too long or no request has no line, and the others have theirs", async () => {
	const { text, unsendable } = await written({
		gone: new CostControlError("blob.missing", "gone"),
		a: '{"model":"m"}',
		damaged: new CostControlError("blob.damaged", "damaged"),
		long: `{"model":"m","x":"${"x".repeat(200)}"}`,
		none: '{"no":"model"}',
		b: '{"model":"m"}',
	});
	expect(text.match(/batch7-1-\d/g)).toEqual(["batch7-1-2", "batch7-1-6"]);
	expect(unsendable.map(({ n, httpStatus }) => [n, httpStatus])).toEqual([1, 3, 4, 5].map((n) => [n, 500]));
	expect(new Set(unsendable.map(({ message }) => message)).size).toBe(4);
});

test.each(["blob.unreachable", "blob.key_missing"] as const)("what may be read later ends nothing: %s", async (code) => {
	await expect(written({ a: '{"model":"m"}', b: new CostControlError(code, "away") })).rejects.toMatchObject({ code });
});
