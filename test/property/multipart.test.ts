import fc from "fast-check";
import { expect, test } from "vitest";
import { type FormEvent, MalformedForm, readForm } from "#gateway/batches/multipart.ts";

/** However a form is cut on its way, the same is read from it; and whatever is no form ends in one refusal. */

type Part = { readonly name: string; readonly filename: string | undefined; readonly content: Buffer };

const boundary = fc.stringMatching(/^[A-Za-z0-9'()+_,./:=?-]{1,70}$/);
const name = fc.stringMatching(/^[a-z_]{1,12}(\[[a-z]{1,8}\])?$/);
/** Full of what looks like a boundary. */
const content = fc.oneof(
	fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
	fc.array(fc.constantFrom("\r\n", "--", "\r", "\n", "-", "x", "\r\n-", "\r\n--"), { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join(""))),
);
/** A backslash is an escape to some and a letter to others. */
const filename = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/[\\%]/.test(text));
const part = fc.record({ name, filename: fc.option(filename, { nil: undefined }), content });
const form = fc.record({ boundary, parts: fc.array(part, { maxLength: 6 }) }).filter(({ boundary: mark, parts }) => parts.every((each) => !holds(each, mark)));

function holds({ content: bytes }: Part, mark: string): boolean {
	return Buffer.concat([Buffer.from("\r\n"), bytes, Buffer.from("\r\n")]).includes(`\r\n--${mark}`);
}

function write(mark: string, parts: readonly Part[]): Buffer {
	const percentEncode = (text: string): string => text.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
	const pieces = parts.flatMap(({ name: field, filename, content: bytes }) => {
		const file = filename === undefined ? "" : `; filename="${percentEncode(filename)}"\r\nContent-Type: application/octet-stream`;
		return [Buffer.from(`--${mark}\r\nContent-Disposition: form-data; name="${percentEncode(field)}"${file}\r\n\r\n`), bytes, Buffer.from("\r\n")];
	});
	return Buffer.concat([...pieces, Buffer.from(`--${mark}--\r\n`)]);
}

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
	let from = 0;
	for (let next = 0; from < bytes.length; next += 1) {
		const size = sizes[next % sizes.length] ?? bytes.length;
		yield bytes.subarray(from, from + size);
		from += size;
	}
}

async function read(source: AsyncIterable<Uint8Array>, mark: string): Promise<Part[]> {
	const parts: Part[] = [];
	const open: Buffer[] = [];
	const close = (): void => {
		const last = parts.at(-1);
		if (last?.filename !== undefined) parts[parts.length - 1] = { ...last, content: Buffer.concat(open) };
		open.length = 0;
	};
	const take = (event: FormEvent): void => {
		if (event.kind === "data") return void open.push(Buffer.from(event.chunk));
		close();
		if (event.kind === "file") parts.push({ name: event.name, filename: event.filename, content: Buffer.alloc(0) });
		else parts.push({ name: event.name, filename: undefined, content: Buffer.from(event.value) });
	};
	for await (const event of readForm(source, mark)) take(event);
	close();
	return parts;
}

const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 8 });

test("a form is read as it was written, wherever it was cut", async () => {
	await fc.assert(
		fc.asyncProperty(form, sizes, async ({ boundary: mark, parts }, cuts) => {
			const fields = parts.map((each) => (each.filename === undefined ? { ...each, content: Buffer.from(each.content.toString()) } : each));
			expect(await read(cut(write(mark, parts), cuts), mark)).toEqual(fields);
		}),
		{ numRuns: 400 },
	);
});

test("a form that ends early is refused, never read as a shorter one", async () => {
	await fc.assert(
		fc.asyncProperty(form, sizes, fc.nat(), async ({ boundary: mark, parts }, cuts, where) => {
			const whole = write(mark, parts);
			// The end of the line behind the last boundary may be missing.
			const short = whole.subarray(0, where % (whole.length - 2));
			await expect(read(cut(short, cuts), mark)).rejects.toBeInstanceOf(MalformedForm);
		}),
		{ numRuns: 400 },
	);
});

test("any bytes end in a form or in a refusal, and the source is left", async () => {
	await fc.assert(
		fc.asyncProperty(
			boundary,
			fc.array(fc.oneof(fc.string(), fc.constantFrom("\r\n", "--", ": ", "; ", "form-data", "content-disposition", 'name="a"'))),
			async (mark, pieces) => {
				let isLeft = false;
				async function* source(): AsyncGenerator<Uint8Array> {
					try {
						yield Buffer.from(`--${mark}`);
						for (const piece of pieces) yield Buffer.from(piece);
					} finally {
						isLeft = true;
					}
				}
				await read(source(), mark).catch((error: unknown) => expect(error).toBeInstanceOf(MalformedForm));
				expect(isLeft).toBe(true);
			},
		),
		{ numRuns: 400 },
	);
});
