import type { FileRecord } from "#activities/batches/port.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { Problem } from "../problem.ts";
import type { BatchCall } from "./answering.ts";
import { readBody } from "./body-stream.ts";
import { FILE_KEPT_MS, UPLOAD_BYTES_MAX } from "./limits.ts";
import { type FormEvent, MalformedForm, readBoundary, readForm } from "./multipart.ts";
import { newFileId } from "./new-ids.ts";
import { invalidFields, readKeptMs } from "./read-creation.ts";
import { Refusing } from "./refusing.ts";
import { storeLines } from "./store-lines.ts";

export type Uploaded = { readonly kind: "uploaded"; readonly file: FileRecord } | { readonly kind: "rejected"; readonly problem: Problem };

const FILE_PART = "file";
const FIELDS = ["purpose", "expires_after[anchor]", "expires_after[seconds]"];
const FILENAME_LENGTH_MAX = 255;

/** Takes the file of a form in, checked line by line as it arrives. Of a form that is wrong, or whose caller leaves, nothing is kept. */
export async function uploadFile({ batches, context, key, request, leaving }: BatchCall): Promise<Uploaded> {
	const boundary = readBoundary(request.headers["content-type"]);
	if (boundary === undefined)
		return rejected({ code: "request.invalid", message: "The content type must be multipart/form-data with its boundary.", field: "content-type" });
	const { blobs, store } = batches;
	const refusing = new Refusing();
	const form = new UploadForm();
	const body = readBody({ raw: request.raw, id: request.id, bytesMax: UPLOAD_BYTES_MAX, refusing, limits: context.limits });
	const fileId = newFileId();
	const blobKey = `${key.teamId}/files/${fileId}.jsonl`;
	const stored = await storeLines(blobs, { blobKey, protocol: "openai", source: fileOf(readForm(body, boundary), form, refusing), refusing });
	if (stored.kind === "rejected") return stored;
	const refused = leaving.hasLeft ? CALLER_LEFT : refuseModel(stored.checked.model, key.models);
	if (refused !== undefined) {
		await blobs.delete(blobKey);
		return rejected(refused);
	}
	const { filename, keptMs } = form.read();
	const { bytes, checked } = stored;
	const expiresAtMs = batches.wallClockMs() + (keptMs ?? FILE_KEPT_MS);
	try {
		const file = await store.createFile({
			fileId,
			teamId: key.teamId,
			keyId: key.keyId,
			purpose: "batch",
			filename,
			bytes,
			lines: checked.lines,
			blobKey,
			expiresAtMs,
		});
		return { kind: "uploaded", file };
	} catch (error) {
		await blobs.delete(blobKey);
		throw error;
	}
}

/** Nobody hears it. */
const CALLER_LEFT: Problem = { code: "request.invalid", message: "The caller left before the file was there." };

/** The same at the creation of a batch, where the key may be another. */
export function refuseModel(model: string, allowed: readonly string[] | null): Problem | undefined {
	if (allowed === null || allowed.includes(model)) return undefined;
	return { code: "key.scope", message: `Every request asks for the model ${model.slice(0, 200)}, which this key may not call.`, field: "model" };
}

/** The bytes of the one file. What is wrong with the form is found at the latest at its end, before the file counts as written. */
async function* fileOf(events: AsyncIterable<FormEvent>, form: UploadForm, refusing: Refusing): AsyncGenerator<Uint8Array> {
	try {
		for await (const event of events) {
			if (event.kind === "data") yield event.chunk;
			else form.take(event);
		}
	} catch (error) {
		if (error instanceof MalformedForm) refusing.refuse({ code: "request.invalid", message: `The form cannot be read: ${error.message}.`, field: "body" });
		throw error;
	}
	const problems = form.problems();
	if (problems.length > 0) refusing.refuse(invalidFields(problems));
}

/** The fields of POST /v1/files (FileCreateParams of openai 7.57.0), before and behind the file. */
class UploadForm {
	readonly #fields = new Map<string, string>();
	readonly #problems: FieldProblem[] = [];
	#filename: string | undefined;

	take(event: Exclude<FormEvent, { kind: "data" }>): void {
		const isFile = event.kind === "file";
		const field = printable(event.name);
		const isKnown = isFile ? event.name === FILE_PART : FIELDS.includes(event.name);
		const isTwice = isFile ? this.#filename !== undefined : this.#fields.has(event.name);
		if (!isKnown) this.#problems.push({ field, problem: isFile ? `is no file of this form; it is called ${FILE_PART}` : "is no field of this form" });
		else if (isTwice) this.#problems.push({ field, problem: "stands in the form twice" });
		else if (isFile) this.#filename = printable(event.filename) || "file.jsonl";
		else this.#fields.set(event.name, event.value);
	}

	problems(): readonly FieldProblem[] {
		const problems = [...this.#problems];
		const purpose = this.#fields.get("purpose");
		if (purpose === undefined) problems.push({ field: "purpose", problem: "must be given: batch" });
		else if (purpose !== "batch") problems.push({ field: "purpose", problem: "must be batch: files of other purposes are not kept here" });
		if (this.#filename === undefined) problems.push({ field: FILE_PART, problem: "must be given: the file, with a filename" });
		this.#keptMs((field, problem) => problems.push({ field, problem }));
		return problems;
	}

	/** Of a form without problems. */
	read(): { readonly filename: string; readonly keptMs: number | null } {
		return { filename: this.#filename ?? "file.jsonl", keptMs: this.#keptMs(() => undefined) };
	}

	#keptMs(refuse: (field: string, problem: string) => void): number | null {
		const anchor = this.#fields.get("expires_after[anchor]");
		const seconds = this.#fields.get("expires_after[seconds]");
		if (anchor === undefined && seconds === undefined) return null;
		return readKeptMs({ anchor, seconds: /^\d{1,9}$/.test(seconds ?? "") ? Number(seconds) : seconds }, "expires_after", refuse);
	}
}

function printable(name: string): string {
	return name.slice(0, FILENAME_LENGTH_MAX).replaceAll(/[\p{Cc}\p{Cs}]/gu, "_");
}

function rejected(problem: Problem): Uploaded {
	return { kind: "rejected", problem };
}
