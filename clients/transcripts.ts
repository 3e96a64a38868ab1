import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";

/**
 * Where what agents say is kept: texts by key, written once. Any store that can write only where nothing is yet will do: a table with
 * ON CONFLICT DO NOTHING, an object store with If-None-Match. Every worker of the agents needs the same one.
 */
export type TranscriptStore = {
	/** undefined where nothing was written. */
	read(key: string): Promise<string | undefined>;
	/** Does nothing where the key has a text: the first one stands. Resolves when it would survive a crash. */
	write(key: string, text: string): Promise<void>;
};

const KEY = /^[A-Za-z0-9][A-Za-z0-9._:-]*(\/[A-Za-z0-9][A-Za-z0-9._:-]*)*$/;
const FILE_ENDING = ".txt";
/** Of texts that were read, in a process: an agent reads its whole conversation at each step. */
const REMEMBERED_CHARACTERS_MAX = 32 * 1024 * 1024;

/**
 * One file a text below `folder`, which is made when it is first needed.
 * For one machine, or several that share the folder. Nothing is ever removed.
 * @throws RangeError on a key that is no path of names of A-Z a-z 0-9 . _ : -
 */
export function folderTranscripts(folder: string): TranscriptStore {
	const fileOf = (key: string): string => {
		if (!KEY.test(key)) throw new RangeError(`not a key of a transcript: ${JSON.stringify(key)}`);
		return path.join(folder, ...key.split("/")) + FILE_ENDING;
	};
	return {
		async read(key) {
			try {
				return await readFile(fileOf(key), "utf8");
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
				throw error;
			}
		},
		async write(key, text) {
			const file = fileOf(key);
			await mkdir(path.dirname(file), { recursive: true });
			const draft = `${file}.${randomBytes(6).toString("hex")}.new`;
			try {
				await writeDown(draft, text);
				// Linked, not renamed: nobody reads half a text, and the first one stands.
				await link(draft, file);
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
			} finally {
				await rm(draft, { force: true });
			}
		},
	};
}

async function writeDown(file: string, text: string): Promise<void> {
	const handle = await open(file, "wx");
	try {
		await handle.writeFile(text, "utf8");
		await handle.sync();
	} finally {
		await handle.close();
	}
}

/** The text that stands: this one, or that of whoever was first. */
export async function writeOnce(store: TranscriptStore, key: string, text: string): Promise<string> {
	await store.write(key, text);
	const standing = await store.read(key);
	if (standing === undefined) throw new Error(`the transcript store does not give back what was written under ${key}`);
	return standing;
}

/** Texts never change, so those read lately are kept in this process, the oldest dropped first. */
export function rememberTexts(store: TranscriptStore, charactersMax: number = REMEMBERED_CHARACTERS_MAX): TranscriptStore {
	const remembered = new Map<string, string>();
	let characters = 0;
	return {
		async read(key) {
			const known = remembered.get(key);
			if (known !== undefined) return known;
			const text = await store.read(key);
			if (text === undefined || remembered.has(key) || text.length > charactersMax) return text;
			remembered.set(key, text);
			characters += text.length;
			for (const [oldest, old] of remembered) {
				if (characters <= charactersMax) break;
				remembered.delete(oldest);
				characters -= old.length;
			}
			return text;
		},
		write: (key, text) => store.write(key, text),
	};
}
