import { expect, test } from "vitest";
import { type FormEvent, MalformedForm, readBoundary, readForm } from "#gateway/batches/multipart.ts";

async function read(text: string, boundary = "b"): Promise<FormEvent[]> {
	const events: FormEvent[] = [];
	async function* source(): AsyncGenerator<Uint8Array> {
		yield Buffer.from(text);
	}
	for await (const event of readForm(source(), boundary)) events.push(event);
	return events;
}

const part = (headers: string, content: string): string => `--b\r\n${headers}\r\n\r\n${content}\r\n`;
const END = "--b--\r\n";

test.each([
	["multipart/form-data; boundary=abc", "abc"],
	['multipart/form-data; boundary="a b:c"', "a b:c"],
	["Multipart/Form-Data; charset=utf-8; Boundary=abc", "abc"],
	["multipart/form-data", undefined],
	["multipart/mixed; boundary=abc", undefined],
	['multipart/form-data; boundary="abc "', undefined],
	[`multipart/form-data; boundary=${"a".repeat(71)}`, undefined],
	[undefined, undefined],
])("the boundary of %s is %s", (contentType, boundary) => {
	expect(readBoundary(contentType)).toBe(boundary);
});

test("names are read as fetch, curl and requests write them", async () => {
	const form = [
		part('Content-Disposition: form-data; name="purpose"', "batch"),
		part('content-disposition: form-data; name="file"; filename="a %22b%22.jsonl"\r\nContent-Type: text/plain', "{}"),
		part(String.raw`Content-Disposition: form-data; name="file"; filename="a \"b\".jsonl"`, ""),
		part("Content-Disposition: form-data; name=file; filename=plain.jsonl", ""),
		part(`Content-Disposition: form-data; name="file"; filename="_.jsonl"; filename*=UTF-8''%C3%A9.jsonl`, ""),
	].join("");
	const events = await read(`${form}${END}`);
	expect(events.flatMap((event) => (event.kind === "file" ? event.filename : []))).toEqual(['a "b".jsonl', 'a "b".jsonl', "plain.jsonl", "é.jsonl"]);
	expect(events[0]).toEqual({ kind: "field", name: "purpose", value: "batch" });
});

test.each([
	["nothing", ""],
	["no boundary", "hello"],
	["another boundary", '--c\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--c--\r\n'],
	["a part without headers", `--b\r\n\r\nx\r\n${END}`],
	["a part that is no form data", `${part('Content-Disposition: attachment; name="a"', "x")}${END}`],
	["a part without a name", `${part('Content-Disposition: form-data; filename="a"', "x")}${END}`],
	["a header that is none", `${part("nonsense", "x")}${END}`],
	["an encoded part", `${part('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64', "eA==")}${END}`],
	["text behind a boundary", `--b of it\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n${END}`],
	["a field that is too long", `${part('Content-Disposition: form-data; name="a"', "x".repeat(4_097))}${END}`],
	["a header that is too long", `${part(`Content-Disposition: form-data; name="${"a".repeat(4_100)}"`, "x")}${END}`],
	["too many headers", `${part(`${"a: b\r\n".repeat(20)}Content-Disposition: form-data; name="a"`, "x")}${END}`],
	["too many parts", `${part('Content-Disposition: form-data; name="a"', "x").repeat(33)}${END}`],
	["no last boundary", part('Content-Disposition: form-data; name="a"', "x")],
])("%s is refused", async (_what, form) => {
	await expect(read(form)).rejects.toBeInstanceOf(MalformedForm);
});
